"""Tables of the benchmark's rows, the same for a chart's own numbers and for the list of all rows."""
import page
import rows as r

SCALES = {"ns": (1, "ns"), "ms": (1, "ms"), "leaves_per_s": (1e6, "M leaves/s"), "bytes_per_s": (1e9, "GB/s"),
          "per_s": (1, "per second"), "ratio": (1, "x"), "bytes": (1e6, "MB")}
HEADS = {"n": "N", "p50_ns": "p50", "p90_ns": "p90", "p99_ns": "p99", "p999_ns": "p99.9", "max_ns": "worst",
         "over_one_at_a_time": "over one node at a time"}
NOT_SHOWN = ("measure", "bounds_ns", "counts", "samples", "limit", "limit_fraction")


def head(name):
    for ending, text in (("_ns", "ns"), ("_us", "\u00b5s"), ("_ms", "ms")):
        if name.endswith(ending) and name not in HEADS:
            return name[:-len(ending)].replace("_", " ") + ", " + text
    return HEADS.get(name, name.replace("_", " "))


def derived_text(name, value):
    if not r.number(value):
        return r.value_text(value, "ratio")
    if name.endswith("_fraction"):
        return r.percent(value)
    if name in HEADS and name.endswith("_ns"):
        return r.time_text(value)
    if name.endswith("bytes"):
        return r.bytes_text(value)
    if name.endswith("leaves_per_s"):
        return r.value_text(value, "leaves_per_s")
    return r.count(value) if value == int(value) else r.short(value)


def columns(rows, without):
    """Names of what asks and of what was derived, in the order in which they first occur."""
    asking, derived = [], []
    for row in rows:
        own = [name for name, _ in row.identity()[1:]]
        for name in own:
            if name not in asking:
                asking.append(name)
        values = () if row.unit is None else (row.unit, row.unit + "_min", row.unit + "_max")
        for name in row.fields:
            if name not in own and name not in values and name not in NOT_SHOWN + without and \
                    name not in derived:
                derived.append(name)
    return asking, derived


def numbers(rows, name, derived=True, without=()):
    """The rows as one table: what was asked, median, min, max and samples, the part of the limit, what was derived."""
    asking, others = columns(rows, without)
    others = others if derived else []
    units = {row.unit for row in rows if row.unit is not None}
    unit = units.pop() if len(units) == 1 else None
    scale, unit_name = SCALES.get(unit, (1, None))
    spread = any(row.low is not None for row in rows)
    limited = any("limit_fraction" in row.fields for row in rows)
    limits = any("limit" in row.fields for row in rows)
    values = any(row.unit is not None for row in rows)
    heads = [page.Number(head(n)) if n in ("n", "leaves", "threads") or n in r.IDENTIFYING_NUMBERS else head(n)
             for n in asking]
    if values:
        heads.append(page.Number(("median" if spread else "value") + (", " + unit_name if unit_name else "")))
    if spread:
        heads += [page.Number("min"), page.Number("max"), page.Number("samples")]
    if limited:
        heads.append(page.Number("of the limit"))
    if limits:
        heads.append("limit")
    heads += [page.Number(head(n)) for n in others]

    def written(row, value):
        if unit is None:
            return page.Number(r.value_text(value, row.unit))
        return page.Number(r.short(value / scale) if r.number(value) else "\u2013")

    lines = []
    for row in rows:
        line = [page.Number(r.count(row.get(n))) if r.number(row.get(n)) else row.get(n, "") for n in asking]
        if values:
            line.append(written(row, row.value))
        if spread:
            line += [written(row, row.low), written(row, row.high), page.Number(row.get("samples", ""))]
        if limited:
            line.append(page.Number(r.percent(row.get("limit_fraction"))))
        if limits:
            line.append(row.get("limit", "").replace(" ", "\u00a0"))
        line += [page.Number(derived_text(n, row.get(n))) if n in row.fields else "" for n in others]
        lines.append(line)
    return page.table(heads, [(None, lines)], name)
