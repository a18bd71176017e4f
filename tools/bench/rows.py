"""The JSON lines of rotortree-bench: reading them, what identifies a row, and how its figures are written for people.

Knows nothing of charts or pages. A file that is not a whole run is refused by file and line, so that no figure of a
broken file is ever shown beside good ones.
"""
import json
import math
import os
import time

# In the order in which a row is searched for the one that was measured; what else a row holds was derived.
UNITS = ("ns", "leaves_per_s", "bytes_per_s", "ratio", "ms", "per_s", "bytes")
HIGHER_IS_BETTER = {"leaves_per_s": True, "bytes_per_s": True, "per_s": True, "ns": False, "ms": False, "bytes": False}
# Ratios of two figures taken in turn say how many times as fast something is, but for these, which are costs.
COSTLY_RATIOS = ("memory_over_nodes",)
# Numbers that are part of the question; all others are part of the answer. Texts are part of the question but these.
IDENTIFYING_NUMBERS = ("batch", "readers", "writers", "callers", "root_every", "checkpoint_leaves")
ANSWERING_TEXTS = ("limit", "verdict", "unit", "relation", "skipped")
# By words of a bound's name, the first that fits; see Row.place.
BOUND_PLACES = (("durable", ("durable insert", "durable batches", "flush", "checkpoint after", "checkpoint of",
                             "with checkpoints", "open_", "open from", "alone, durable tree", "the same of",
                             "the same at")),
                ("stored", ("durable tree", "stored insert", "sustained load", "page cache", "written over", "mapped",
                            "from files")))
# What this machine does without a tree: where these differ between two runs, the machine or its load does.
YARDSTICKS = ("memcpy_touched", "copy_streamed_touched", "first_touch_of_4_KiB", "official_compression",
              "plain_96_bytes_and_sync", "plain_write_and_sync")
STANDARD = ("measure", "n", "leaves", "threads", "samples")
# Of a ledger, the row of the time that is split, and that of what its parts do not add up to.
WHOLE, REST = "whole", "not explained"
# The figures of rows without one value of their own.
SEVERAL_FIGURES = {
    "latency": (("p50_ns", "ns"), ("p90_ns", "ns"), ("p99_ns", "ns"), ("p999_ns", "ns")),
    "growth_point": (("leaves_per_s", "leaves_per_s"), ("resident_bytes", "bytes"), ("anonymous_bytes", "bytes"),
                     ("written_bytes_per_leaf", "bytes"), ("checkpoint_ms", "ms")),
}


class BadInput(Exception):
    """What is wrong with a file, with its name and line."""


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Figure:
    """One value with its spread; samples is 0 where the run says nothing of them."""

    def __init__(self, name, unit, value, low, high, samples):
        self.name, self.unit, self.value, self.low, self.high, self.samples = name, unit, value, low, high, samples


class Row:
    def __init__(self, fields):
        self.fields = fields
        self.measure = fields["measure"]
        self.unit = None
        for unit in UNITS:
            if unit + "_min" in fields or (self.unit is None and unit in fields):
                self.unit = unit
                if unit + "_min" in fields:
                    break

    def get(self, name, default=None):
        return self.fields.get(name, default)

    @property
    def value(self):
        return self.fields.get(self.unit) if self.unit else None

    @property
    def low(self):
        return self.fields.get(self.unit + "_min") if self.unit else None

    @property
    def high(self):
        return self.fields.get(self.unit + "_max") if self.unit else None

    @property
    def limit_fraction(self):
        fraction = self.fields.get("limit_fraction")
        return fraction if number(fraction) else self.fields.get("peak_fraction")

    def size_is_a_result(self):
        """How far a tree came in the time of the measurement."""
        return self.measure == "latency" and self.place() != "memory"

    def identity(self):
        parts = [("measure", self.measure)]
        for name in ("n", "leaves", "threads"):
            if name in self.fields and not (name == "leaves" and self.size_is_a_result()):
                parts.append((name, self.fields[name]))
        for name, value in self.fields.items():
            if name in STANDARD or name in ANSWERING_TEXTS:
                continue
            if isinstance(value, str) or name in IDENTIFYING_NUMBERS:
                parts.append((name, value))
        return tuple(parts)

    def figures(self):
        if self.measure == "ledger":
            # They explain other figures of the same run.
            return []
        if self.measure in SEVERAL_FIGURES:
            return [Figure(name, unit, self.fields[name], None, None, 0)
                    for name, unit in SEVERAL_FIGURES[self.measure] if number(self.fields.get(name))]
        if not number(self.value):
            return []
        return [Figure("", self.unit, self.value, self.low, self.high, int(self.fields.get("samples", 0)))]

    def higher_is_better(self, unit):
        return HIGHER_IS_BETTER.get(unit, self.measure not in COSTLY_RATIOS)

    def place(self):
        """memory; stored: a tree on disk, but nothing waits for the disk; durable: the disk has it before it counts."""
        if self.measure == "bound":
            return next((place for place, words in BOUND_PLACES if any(word in self.get("what") for word in words)),
                        "memory")
        if self.measure == "latency":
            return {"durable_insert": "durable", "insert_during_checkpoint": "stored"}.get(self.get("of"), "memory")
        if self.measure in ("stored_insert", "proof_from_files", "memory_beyond_page_cache", "growth_point",
                            "sustained_load"):
            return "stored"
        if self.measure.startswith("mixed_") and self.get("tree") == "durable":
            # The writer's time ends when the disk has its leaves.
            return "durable"
        if self.measure == "check" or self.measure.startswith(
                ("open", "durable_", "stored_", "checkpoint_", "plain_", "insert_rate_with_")):
            return "durable"
        return "memory"


class Ledger:
    """A time and the parts that it was split into; rest is the row of what they do not add up to, or None."""

    def __init__(self, name):
        self.name, self.where, self.whole, self.rest, self.parts = name, None, None, None, []

    def add(self, where, row):
        self.where = self.where or where
        if row.get("part") == WHOLE:
            if self.whole is not None:
                raise BadInput('%s: a second whole of the ledger "%s"' % (where, self.name))
            self.where, self.whole = where, row
        elif row.get("part") == REST:
            self.rest = row
        else:
            self.parts.append(row)

    def rows(self):
        return self.parts + ([self.rest] if self.rest else [])

    def check(self):
        if self.whole is None:
            raise BadInput('%s: the ledger "%s" has parts, but no whole' % (self.where, self.name))
        if not self.rows():
            raise BadInput('%s: the ledger "%s" has no parts' % (self.where, self.name))
        total = sum(row.value for row in self.rows())
        # The benchmark writes whole nanoseconds from 1,000 on.
        rounding = (0.51 if self.whole.value >= 999 else 0.001) * (len(self.rows()) + 1)
        if abs(total - self.whole.value) > rounding:
            raise BadInput('%s: the parts of the ledger "%s" come to %s ns, the whole is %s' % (
                self.where, self.name, short(total), short(self.whole.value)))


def ledgers(places):
    """By name, from (where, row); raises BadInput for one whose parts are not all of it."""
    found = {}
    for where, row in places:
        if row.measure == "ledger" and "skipped" not in row.fields:
            found.setdefault(row.get("of"), Ledger(row.get("of"))).add(where, row)
    for ledger in found.values():
        ledger.check()
    return found


class Run:
    """One run: the header's fields, its rows, its bounds, its ledgers, and what was skipped."""

    def __init__(self, path, header, places):
        rows = [row for _, row in places]
        self.path = path
        self.header = header
        self.ledgers = ledgers(places)
        self.bounds = [row for row in rows if row.measure == "bound"]
        self.skipped = [row for row in rows if "skipped" in row.fields]
        self.rows = [row for row in rows if row.measure != "bound" and "skipped" not in row.fields]

    def find(self, measure, **fields):
        return [row for row in self.rows
                if row.measure == measure and all(row.get(name) == value for name, value in fields.items())]

    def one(self, measure, **fields):
        found = self.find(measure, **fields)
        return found[0] if found else None

    def date(self):
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(os.stat(self.path).st_mtime))


def refuse_constant(name):
    raise ValueError(name + " is not JSON")


def check_row(where, fields):
    """Refuses what the contract of the benchmark's output does not allow."""
    if not isinstance(fields, dict):
        raise BadInput(where + ": not a JSON object")
    if not isinstance(fields.get("measure"), str) or not fields["measure"]:
        raise BadInput(where + ': no "measure"')
    for name in ("n", "leaves", "threads", "samples"):
        if name in fields and not number(fields[name]):
            raise BadInput('%s: "%s" is not a number' % (where, name))
    if fields["measure"] == "header" or "skipped" in fields:
        return
    if fields["measure"] == "bound":
        for name, kind in (("what", str), ("relation", str), ("unit", str), ("verdict", str)):
            if not isinstance(fields.get(name), kind):
                raise BadInput('%s: a bound without "%s"' % (where, name))
        if not isinstance(fields.get("ledger", ""), str):
            raise BadInput('%s: "ledger" is the name of one' % where)
        return
    if fields["measure"] == "latency":
        bounds, counts = fields.get("bounds_ns"), fields.get("counts")
        if not isinstance(bounds, list) or not isinstance(counts, list) or len(bounds) != len(counts) or not bounds:
            raise BadInput(where + ': a latency needs as many "counts" as "bounds_ns"')
        if not all(number(value) for value in bounds + counts):
            raise BadInput(where + ': "bounds_ns" and "counts" are numbers')
        if any(a >= b for a, b in zip(bounds, bounds[1:])):
            raise BadInput(where + ': "bounds_ns" must rise')
        return
    if fields["measure"] == "ledger":
        for name in ("of", "per", "part"):
            if not isinstance(fields.get(name), str):
                raise BadInput('%s: a ledger without "%s"' % (where, name))
        if not number(fields.get("ns")):
            raise BadInput('%s: a ledger without a number "ns"' % where)
    row = Row(fields)
    if row.unit is None:
        raise BadInput("%s: no value: one of %s is expected" % (where, ", ".join(UNITS)))
    for name in (row.unit, row.unit + "_min", row.unit + "_max"):
        # null: the benchmark's word for what it could not measure
        if fields.get(name) is not None and not number(fields[name]):
            raise BadInput('%s: "%s" is not a number' % (where, name))


def read(path):
    """The run in the file. Raises BadInput."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise BadInput("%s: %s" % (path, error.strerror)) from error
    except UnicodeDecodeError as error:
        raise BadInput("%s: not UTF-8 text" % path) from error
    header = None
    rows = []
    for index, line in enumerate(lines):
        where = "%s:%d" % (path, index + 1)
        if not line.strip():
            continue
        try:
            fields = json.loads(line, parse_constant=refuse_constant)
        except ValueError as error:
            raise BadInput("%s: not JSON (%s); the run must be made with --json" % (where, error)) from error
        check_row(where, fields)
        if fields["measure"] == "header":
            if header is not None:
                raise BadInput(where + ": a second header; one run a file")
            header = fields
        elif header is None:
            raise BadInput(where + ': no header before it; the first line of a run is {"measure":"header",...}')
        else:
            rows.append((where, Row(fields)))
    if header is None:
        raise BadInput(path + ":1: empty; a run begins with its header")
    if not rows:
        raise BadInput(path + ":1: a header without rows")
    return Run(path, header, rows)


# ---------------------------------------------------------------- words and figures

def short(value):
    """Three digits that matter, with commas in large numbers."""
    if value is None or not math.isfinite(value):
        return "\u2013"
    size = abs(value)
    if size >= 99.95:
        return "{:,.0f}".format(value)
    if size >= 9.995:
        return "%.1f" % value
    if size >= 0.9995 or value == 0:
        return "%.2f" % value
    return "%.3f" % value


def count(value):
    """Whole numbers: 10M, 65,536."""
    if not number(value):
        return str(value)
    if value >= 1e9 and value % 1e8 == 0:
        return "%gG" % (value / 1e9)
    if value >= 1e6 and value % 1e5 == 0:
        return "%gM" % (value / 1e6)
    return "{:,.0f}".format(value) if value == int(value) else short(value)


def time_text(ns):
    for limit, scale, unit in ((1e4, 1, "ns"), (1e6, 1e3, "\u00b5s"), (1e9, 1e6, "ms")):
        if abs(ns) < limit:
            return "%s\u00a0%s" % (short(ns / scale), unit)
    return short(ns / 1e9) + "\u00a0s"


def times_text(largest):
    """Writes times in the unit that suits the largest of them, so that they can be added up by eye."""
    scale, unit = next((scale, unit) for limit, scale, unit in (
        (1e3, 1, "ns"), (1e6, 1e3, "\u00b5s"), (1e9, 1e6, "ms"), (math.inf, 1e9, "s")) if largest < limit)
    digits = 2 if largest / scale < 10 else 1 if largest / scale < 100 else 0
    return lambda ns: "%.*f\u00a0%s" % (digits, abs(ns) / scale, unit) if ns >= 0 else \
        "\u2212%.*f\u00a0%s" % (digits, abs(ns) / scale, unit)


def bytes_text(value):
    for limit, scale, unit in ((1e4, 1, "bytes"), (1e6, 1e3, "kB"), (1e9, 1e6, "MB")):
        if abs(value) < limit:
            return "%s\u00a0%s" % (short(value / scale), unit)
    return short(value / 1e9) + "\u00a0GB"


def value_text(value, unit):
    if not number(value):
        return "\u2013"
    if unit == "ns":
        return time_text(value)
    if unit == "ms":
        return time_text(value * 1e6)
    if unit == "bytes":
        return bytes_text(value)
    if unit == "leaves_per_s":
        return short(value / 1e6) + "\u00a0M\u00a0leaves/s"
    if unit == "bytes_per_s":
        return short(value / 1e9) + "\u00a0GB/s"
    if unit == "per_s":
        return short(value) + "\u00a0/s"
    return short(value) + "\u00a0x"


def per_text(value):
    """A count for one of something: 46,955; 4.53; 0.0046."""
    return count(value) if value == int(value) else "%.2g" % value if abs(value) < 0.1 else short(value)


def percent(fraction):
    return "%.0f\u00a0%%" % (100 * fraction) if number(fraction) else "\u2013"


def plural(value, word):
    return "%s\u00a0%s%s" % (count(value), word, "" if value == 1 else "s")


def field_text(name, value):
    if name == "n":
        return "N=%d" % value
    if name == "leaves":
        return count(value) + " leaves"
    if name == "threads":
        return plural(value, "thread")
    if number(value):
        return "%s %s" % (name.replace("_", " "), count(value))
    return "%s: %s" % (name.replace("_", " "), value)


def identity_text(identity):
    return ", ".join([field_text(name, value) for name, value in identity[1:]])
