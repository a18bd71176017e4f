"""Makes one HTML page of a run of rotortree-bench: ./dev bench --report RUN.jsonl [OUT.html].

The page is one file, without scripts, and needs nothing from elsewhere. What the run does not hold is left out and
named.
Exit status: 0, 2 for input that is no run, 1 where the page cannot be written.
"""
import os
import sys

sys.dont_write_bytecode = True
import rows as r  # noqa: E402
import page  # noqa: E402
import tables  # noqa: E402

HEADER_NAMES = (("cpu", "Processor"), ("cpus", "Processors used"), ("caches", "Caches"), ("kernel", "Hash kernel"),
                ("lanes", "Lanes"), ("os", "System"), ("file_system", "File system"), ("huge_pages", "Huge pages"),
                ("compiler", "Compiler"), ("version", "Version"), ("commit", "Commit"), ("mode", "Mode"),
                ("clock", "Clock"))
PLACES = (
    ("memory", "In memory"),
    ("stored", "On disk, but nothing waits for the disk"),
    ("durable", "Durable: on the disk before it counts"),
)


def sections():
    """(name, title, what it is about, functions that make its figures, the suites with such rows)."""
    import sections_memory as memory
    import sections_storage as storage
    return (
        ("batches", "Rate by batch size", "Leaves enter a tree in memory in batches; after each batch its root is "
         "read. The upright strokes at the points reach from the smallest to the largest sample, here and in all "
         "charts; an arrow at the top says that the largest is beyond it.", [memory.batches], "batches"),
        ("arity", "Rate by arity", "One insert of all leaves into an empty tree in memory.", [memory.arity], "build"),
        ("threads", "Rate by threads", None, [memory.threads], "build"),
        ("single", "One leaf at a time", "Inserts by one thread into a tree in memory.", [memory.single], "insert"),
        ("latency", "Latencies in memory", "Each call is timed by itself. Both axes are logarithmic, so that one call "
         "among a million is seen.", [lambda run: memory.latencies(run, "memory")], "latency"),
        ("snapshots", "Snapshots", None, [memory.snapshots], "snapshot"),
        ("truncation", "Truncation", None, [memory.truncation], "truncate"),
        ("proofs", "Proofs", "Times of one thread, nodes in memory.", [memory.proofs], "proofs"),
        ("memory", "Memory", None, [memory.memory], "memory"),
        ("kernels", "Hash kernels", "What bounds all of the above.", [memory.kernels], "kernel and official"),
        ("growth", "Growth", "What should not depend on how large a tree is.",
         [storage.growth, storage.own_memory], "storage-load and storage-growth"),
        ("mixed", "Readers beside a writer", "One writer adds leaves while readers make proofs.", [storage.mixed],
         "mixed"),
        ("unwaited", "On disk, nothing waits for the disk", "These figures say nothing of durability: what was "
         "inserted last may be lost in a crash.", [storage.unwaited, lambda run: memory.latencies(run, "stored")],
         "storage-insert and storage-open"),
        ("durable", "Durable", "What counts here is on the disk.",
         [storage.callers, lambda run: memory.latencies(run, "durable"), storage.bulk],
         "storage-durable and storage-bulk"),
        ("recovery", "Opening and checkpoints", None, [storage.opening, storage.checkpoints],
         "storage-open and storage-growth"),
    )


def head(run):
    pairs = []
    for name, words in HEADER_NAMES:
        if name in run.header:
            value = run.header[name]
            pairs.append((words, r.count(value) if r.number(value) else value))
    pairs.append(("File", "%s of %s" % (os.path.basename(run.path), run.date())))
    return page.facts(pairs)


# ---------------------------------------------------------------- bounds

def margin(row):
    """How much better than its bound (above 1) or worse; None where it cannot be said."""
    value, bound = row.get("value"), row.get("bound")
    if not r.number(value) or not r.number(bound) or value <= 0 or bound <= 0:
        return None
    return value / bound if row.get("relation") == ">=" else bound / value


def margin_text(part):
    return "%.*f\u00a0%%" % (0 if part >= 0.01 else 1, 100 * part)


def verdict(row):
    part = margin(row)
    if row.get("verdict") != "reached":
        missed = row.get("verdict").lower()
        return page.element("span", missed if part is None else "%s by\u00a0%s" % (missed, margin_text(1 - part)),
                            class_="bad")
    told = "reached"
    if part is not None:
        told += ", %s better" % margin_text(part - 1) if part < 2 else ", %s\u00a0times over" % r.short(part)
    return page.element("span", told, class_="good")


def bound_lines(bounds):
    lines = []
    for row in sorted(bounds, key=lambda row: margin(row) or 0):
        value = row.get("value")
        relation = {">=": "\u2265", "<=": "\u2264"}.get(row.get("relation"), row.get("relation"))
        lines.append([row.get("what"), page.Number(r.short(value) if r.number(value) else "\u2013"),
                      page.Number("%s\u00a0%s %s" % (relation, r.count(row.get("bound")), row.get("unit"))),
                      verdict(row)])
    return lines


def bound_tables(bounds):
    written = []
    for place, title in PLACES:
        own = [row for row in bounds if row.place() == place]
        if own:
            written.append(page.table(["what", page.Number("value"), page.Number("target"), "verdict"],
                                      [(None, bound_lines(own))], title, "bounds"))
    return page.joined(written)


def summary(run):
    if not run.bounds:
        return page.paragraph("This run checks no bounds.", "note")
    missed = [row for row in run.bounds if row.get("verdict") != "reached"]
    reached = [row for row in run.bounds if row.get("verdict") == "reached"]
    pieces = [page.paragraph("%d of %d bounds are reached%s" % (
        len(reached), len(run.bounds), "." if not missed else "; these are not, the farthest from its target first:"))]
    if missed:
        pieces.append(bound_tables(missed))
    if reached:
        pieces.append(page.details("The %s that %s reached, the closest first" % (
            r.plural(len(reached), "bound"), "is" if len(reached) == 1 else "are"), bound_tables(reached)))
    return page.joined(pieces)


# ---------------------------------------------------------------- all rows

def all_rows(run):
    pieces = []
    for place, title in PLACES:
        measures = {}
        for row in run.rows:
            if row.place() == place and row.measure != "ledger":
                measures.setdefault(row.measure, []).append(row)
        if measures:
            pieces.append(page.element("h3", title))
            for measure, rows in measures.items():
                # Checkpoints wait for the disk, the rate beside them does not.
                without = ("checkpoint_ms",) if measure == "growth_point" else ()
                pieces.append(tables.numbers(rows, measure.replace("_", " "), without=without))
    return pieces


def obstacles(run):
    """The section on what stands in the way of bounds that were missed; [] where the run says nothing of that."""
    import sections_obstacles
    missed = [row for row in run.bounds if row.get("verdict") == "MISSED"]
    content = sections_obstacles.make(run, sorted(missed, key=lambda row: margin(row) or 0), margin)
    return [page.section("obstacles", sections_obstacles.TITLE, content)] if content else []


def make(run):
    import sections_obstacles
    body, links, missing = obstacles(run), [("bounds", "Bounds")], []
    if body:
        links.append(("obstacles", sections_obstacles.TITLE))
    for name, title, about, makers, suites in sections():
        figures = [figure for maker in makers for figure in maker(run)]
        if not figures:
            missing.append("%s (suite %s)" % (title, suites))
            continue
        links.append((name, title))
        body.append(page.section(name, title, ([page.paragraph(about, "lead")] if about else []) +
                                 [page.element("div", page.joined(figures), class_="charts")]))
    links.append(("rows", "All rows"))
    notes = []
    if missing:
        notes.append(page.paragraph("Left out, because the run has no rows for them: %s." % "; ".join(missing), "note"))
    if run.skipped:
        notes.append(page.paragraph("Skipped by the run: %s." % "; ".join(
            "%s (%s)" % (row.measure.replace("_", " "), row.get("skipped")) for row in run.skipped), "note"))
    nav = page.element("nav", page.element("ul", page.joined(
        page.element("li", page.element("a", words, href="#" + name)) for name, words in links)), aria_label="Sections")
    cpu = run.header.get("cpu", "an unknown processor")
    top = page.element("header", page.joined([
        page.element("h1", "RotorTree benchmark"),
        page.paragraph("Medians of a run on %s. Figures of different machines, or of one machine at different times, "
                       "compare badly; figures of one run compare well." % cpu, "lead"), head(run), nav]))
    last = page.section("rows", "All rows", [page.paragraph(
        "Everything that the run holds, by measure.", "lead")] + all_rows(run))
    return page.page("RotorTree benchmark: %s" % cpu, [top, page.element("main", page.joined(
        [page.section("bounds", "Bounds", [summary(run)] + notes)] + body + [last]))])


def main(arguments):
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        print("usage: ./dev bench --report RUN.jsonl [OUT.html]", file=sys.stderr)
        return 2
    out = arguments[1] if len(arguments) == 2 else os.path.join("build", "bench-report.html")
    try:
        run = r.read(arguments[0])
    except r.BadInput as error:
        print("bench --report: %s" % error, file=sys.stderr)
        return 2
    failure = page.save(out, make(run))
    if failure:
        print("bench --report: %s" % failure, file=sys.stderr)
        return 1
    print("the report is %s" % out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
