"""The report's sections on trees on disk; see sections_memory.py.

Figures of what is on the disk before it counts and figures of what waits for no disk share no chart and no table.
"""
import charts
import page
import rows as r
import tables
from sections_memory import between, distinct, figure, listed, measured, point

MIXED_TREES = {"memory": "tree in memory", "durable": "durable at the end"}
OPENINGS = {"check": "rotor_check of all"}
ROOTS = {"each": "a root each", "none": "no root", "last": "one root at the end"}


def seen(rows, name):
    """The values of a field in the order in which they first occur."""
    return list(dict.fromkeys(row.get(name) for row in rows))


# ---------------------------------------------------------------- growth

GROWTH = (
    ("leaves_per_s", "Rate by size", "million leaves/s", 1e6, "It takes %s million leaves a second"),
    ("memory", "Memory by size", "of the process", 1, None),
    ("written_bytes_per_leaf", "Written by size", "bytes written a leaf", 1, "It writes %s bytes a leaf"),
)


def growth_lines(rows, field, scale):
    found = [row for row in rows if r.number(row.get(field))]
    return [charts.Line("N=%d" % n, [(row.get("leaves"), row.get(field) / scale, None, None) for row in found
                                     if row.get("n") == n], index) for index, n in enumerate(distinct(found, "n"))]


def evenly(sizes):
    """Whether they lie at equal steps, and so belong on a linear axis."""
    steps = [b - a for a, b in zip(sizes, sizes[1:])]
    return len(steps) > 2 and max(steps) < 1.5 * min(steps)


def sustained(run, field):
    whole = run.one("sustained_load")
    if field != "leaves_per_s" or whole is None or not r.number(whole.value):
        return ""
    told = ", %s in the mean" % r.short(whole.value / 1e6)
    if r.number(whole.limit_fraction):
        told += ", %s of what the disk allows" % r.percent(whole.limit_fraction)
    if r.number(whole.get("last_quarter_over_first")):
        told += ", in the last quarter %s times the rate of the first" % r.short(whole.get("last_quarter_over_first"))
    return told


def growth(run):
    rows = run.find("growth_point")
    sizes = distinct(rows, "leaves")
    if len(sizes) < 2:
        return []
    figures = []
    numbers = tables.numbers(rows, "Growth", without=("checkpoint_ms",))
    ends = "%s to %s leaves" % (r.count(sizes[0]), r.count(sizes[-1]))
    for field, title, unit, scale, words in GROWTH:
        if field == "memory":
            lines = []
            for index, (name, label) in enumerate((("resident_bytes", "resident"), ("anonymous_bytes", "anonymous"))):
                for line in growth_lines(rows, name, scale):
                    line.colour, line.marker, line.label = index, charts.MARKERS[index], label
                    lines.append(line)
            said = ["%s of %s memory" % (r.bytes_text(lines[i].points[-1][1] * scale), label) for i, label in
                    enumerate(("resident", "anonymous")) if i < len(lines)]
            caption = "At %s leaves the process holds %s." % (r.count(sizes[-1]), listed(said)) if said else ""
        else:
            lines = growth_lines(rows, field, scale)
            values = [p[1] for line in lines for p in line.points]
            caption = "%s all the way from %s%s." % (words % between(values), ends, sustained(run, field)) \
                if values else ""
        if lines:
            figures.append(figure("growth-" + field.replace("_", "-"), title,
                                  charts.lines(lines, [], "leaves in the tree", unit, x_log=not evenly(sizes),
                                               names_above=field == "memory", y_log=field == "memory",
                                               y_format=charts.byte_counts if field == "memory" else charts.plain,
                                               left=66 if field == "memory" else 52), caption, rows, numbers))
    return figures


def own_memory(run):
    rows = measured(run.find("memory_beyond_page_cache"))
    if len(distinct(rows, "leaves")) < 2:
        return []
    whens = seen(rows, "when")
    lines = [charts.Line(when, [point(row.get("leaves"), row, 1e6) for row in rows if row.get("when") == when], index)
             for index, when in enumerate(whens[:4])]
    largest = [row for row in rows if row.get("leaves") == max(distinct(rows, "leaves"))]
    caption = "At %s leaves the process holds %s that is no page of a file." % (
        r.count(largest[0].get("leaves")),
        listed("%s %s" % (r.bytes_text(row.value), row.get("when")) for row in largest))
    return [figure("own-memory", "The process's own memory",
                   charts.lines(lines, [], "leaves in the tree", "MB", names_above=True), caption, rows,
                   tables.numbers(rows, "The process's own memory"))]


# ---------------------------------------------------------------- nothing waits for the disk

def unwaited(run):
    figures = []
    rows = measured(run.find("stored_insert"))
    if rows:
        roots, trees = seen(rows, "root"), [tree for tree in seen(rows, "tree") if " less " not in tree]
        rows_of = {(row.get("root"), row.get("tree")): row for row in rows}
        values = [[(rows_of[root, tree].value, rows_of[root, tree].low, rows_of[root, tree].high)
                   if (root, tree) in rows_of else None for root in roots] for tree in trees[:4]]
        caption = "An insert that waits for no disk takes %s." % "; ".join(
            "with %s %s" % (ROOTS.get(root, "root " + root), listed(
                "%s (tree: %s)" % (r.time_text(rows_of[root, tree].value), tree) for tree in trees
                if (root, tree) in rows_of)) for root in roots)
        drawing = charts.bars([ROOTS.get(root, "root: " + root) for root in roots],
                              ["tree: %s" % tree for tree in trees[:4]], values, "ns an insert",
                              number=lambda v: "{:,.0f}".format(v))
        figures.append(figure("unwaited-insert", "Inserts that wait for no disk", drawing, caption, rows))
    rows = measured(run.find("proof_from_files"))
    if rows:
        caption = "From the mapped files a proof takes " + listed(
            "%s (%s)" % (r.time_text(row.value), row.get("pages")) for row in rows) + "."
        entries = [charts.Entry(str(row.get("pages")), row.value, row.low, row.high,
                                r.time_text(row.value)) for row in rows]
        figures.append(figure("unwaited-proof", "Proofs from mapped files", charts.rows(entries, "time of one"),
                              caption, rows, tables.numbers(rows, "Proofs from mapped files")))
    return figures


# ---------------------------------------------------------------- mixed

def mixed_chart(rows, tree, writes):
    counts = distinct(rows, "readers")
    arities = distinct(rows, "n")
    scale = 1e6 if writes else 1
    lines = [charts.Line("N=%d" % n, [point(row.get("readers"), row, scale) for row in rows if row.get("n") == n],
                         index) for index, n in enumerate(arities)]
    limits = [charts.Line(None, [(row.get("readers"), row.value / scale / row.limit_fraction if writes else
                                  row.value * row.limit_fraction, None, None) for row in rows
                                 if row.get("n") == n and row.limit_fraction], index, ":", "")
              for index, n in enumerate(arities)]
    limits = [line for line in limits if line.points]
    most = [row for row in rows if row.get("readers") == counts[-1]]
    readers = r.plural(counts[-1], "reader")
    if writes:
        caption = "Beside %s the writer adds %s million leaves a second" % (
            readers, between([row.value / 1e6 for row in most]))
    else:
        caption = "With %s beside the writer each makes a proof in %s" % (
            readers, between([row.value for row in most], r.time_text))
    alone = [row.get("of_alone") for row in most if r.number(row.get("of_alone"))]
    if alone:
        caption += ", %s of the speed of one alone" % between(alone, r.percent)
    title = "The writer by readers" if writes else "A reader's proof by readers"
    if tree is not None:
        title += ", %s" % MIXED_TREES.get(tree, "tree: %s" % tree)
    drawing = charts.lines(lines + limits, [], "readers", "million leaves/s" if writes else "ns a proof", x_log=False,
                           x_ticks=counts, kinds=[("a fair share of the processors", ":")] if limits else ())
    name = "mixed-%s-%s" % (tree, "writer" if writes else "reader")
    return figure("".join(c if c.isalnum() else "-" for c in name), title, drawing, caption + ".", rows,
                  tables.numbers(rows, title))


def mixed(run):
    writers, readers = measured(run.find("mixed_writer")), measured(run.find("mixed_reader"))
    figures = []
    for tree in seen(writers + readers, "tree"):
        for rows, writes in ((writers, True), (readers, False)):
            own = [row for row in rows if row.get("tree") == tree and row.get("readers") is not None]
            if own:
                figures.append(mixed_chart(own, tree, writes))
    return figures


# ---------------------------------------------------------------- durable

def callers(run):
    rows = measured(run.find("durable_insert"))
    if not rows:
        return []
    plain = measured(run.find("plain_96_bytes_and_sync"))
    counts = distinct(rows, "threads")
    words = {"none": "no root", "each": "root each"}
    lines = [charts.Line(words.get(root, root), [point(row.get("threads"), row, 1e3) for row in rows
                                                 if row.get("root") == root], index)
             for index, root in enumerate(sorted(distinct(rows, "root"), reverse=True))]
    limits = [charts.Limit({"appended": "appended", "blocks written before": "in place"}.get(
        row.get("where"), row.get("where")), row.value / 1e3, None, ":") for row in plain]
    one = [row for row in rows if row.get("threads") == 1]
    most = [row for row in rows if row.get("threads") == counts[-1]]
    caption = "%s callers make %s inserts durable a second" % (
        r.count(counts[-1]), between([row.value for row in most]))
    if one and counts[-1] > 1:
        caption += ", one caller %s" % between([row.value for row in one])
    if plain:
        caption += ", where one plain write of 96 bytes with its sync is done %s times a second (dotted)" % listed(
            "%s (%s)" % (r.short(row.value), row.get("where")) for row in plain)
    drawing = charts.lines(lines, limits, "callers, each waiting for its own insert", "thousand inserts/s", y_log=True,
                           x_ticks=counts, right=98, kinds=[("plain write and sync", ":")] if plain else ())
    return [figure("durable-callers", "Durable inserts by callers", drawing, caption + ".", rows + plain,
                   page.joined([tables.numbers(rows, "Durable inserts by callers"),
                                tables.numbers(plain, "Plain writes and syncs") if plain else ""]))]


def bulk(run):
    rows = measured(run.find("stored_batches_and_flush"))
    if not rows:
        return []
    plain = run.one("plain_write_and_sync")
    batches = distinct(rows, "batch")
    policies = distinct(rows, "policy")
    values = [[next(((row.value / 1e6, row.low and row.low / 1e6, row.high and row.high / 1e6) for row in rows
                     if row.get("policy") == policy and row.get("batch") == batch), None) for batch in batches]
              for policy in policies]
    caption = "%s leaves in batches and a flush become durable at %s million leaves a second" % (
        r.count(rows[0].get("leaves", 0)), between([row.value / 1e6 for row in rows]))
    of_plain = [row.get("of_plain") for row in rows if r.number(row.get("of_plain"))]
    if of_plain:
        caption += ", %s of writing their 32 bytes each to a plain file with one sync (dotted)" % between(
            of_plain, r.percent)
    limit = plain.value / 1e6 if plain and r.number(plain.value) else None
    drawing = charts.bars(["batches of %s" % r.count(batch) for batch in batches],
                          ["policy: %s" % policy for policy in policies], values, "million leaves/s",
                          [limit] * len(batches), "plain write and sync" if limit else None,
                          number=lambda v: "%.1f" % v)
    both = rows + ([plain] if plain else [])
    return [figure("durable-bulk", "Many leaves, durable at the end", drawing, caption + ".", both,
                   page.joined([tables.numbers(rows, "Many leaves, durable at the end"),
                                tables.numbers([plain], "The plain file") if plain else ""]))]


def opening(run):
    opened = measured([row for row in run.rows if row.measure.startswith("open") and row.unit == "ms"])
    rows = opened + measured(run.find("check"))
    if not opened:
        return []
    entries = []
    for row in rows:
        name = ", ".join(words for words in (row.get("how") or OPENINGS.get(row.measure, row.measure),
                                             row.get("pages")) if words)
        entries.append(charts.Entry(name, row.value * 1e6, row.low and row.low * 1e6, row.high and row.high * 1e6,
                                    r.value_text(row.value, "ms"), 1 if row.get("pages") == "cold" else 0,
                                    row.value * 1e6 * row.limit_fraction if row.limit_fraction else None))
    best, worst = min(opened, key=lambda row: row.value), max(opened, key=lambda row: row.value)
    caption = "Until its root is known, opening a tree of %s leaves takes from %s (%s) to %s (%s)" % (
        r.count(opened[0].get("leaves", 0)), r.value_text(best.value, "ms"), best.get("how", best.measure),
        r.value_text(worst.value, "ms"), worst.get("how", worst.measure))
    if any(row.get("pages") == "cold" for row in rows):
        caption += "; squares: nothing of it in the page cache"
    limit_name = "least possible" if any(entry.limit for entry in entries) else None
    drawing = charts.rows(entries, "time", limit_name=limit_name)
    return [figure("durable-open", "Opening" if len(rows) == len(opened) else "Opening and checking", drawing,
                   caption + ".", rows, tables.numbers(rows, "Opening"))]


def checkpoints(run):
    figures = []
    rows = measured(run.find("checkpoint_after_10000"))
    if len(distinct(rows, "leaves")) > 1:
        kinds = sorted(distinct(rows, "flushed_before"))
        words = {"no": "with the flush", "yes": "flushed before"}
        lines = [charts.Line(words.get(kind, kind), [point(row.get("leaves"), row) for row in rows
                                                     if row.get("flushed_before") == kind], index)
                 for index, kind in enumerate(kinds)]
        sizes = distinct(rows, "leaves")
        caption = "A checkpoint after 10,000 more leaves takes %s in a tree of %s leaves and %s in one of %s." % (
            between([row.value for row in rows if row.get("leaves") == sizes[0]], lambda v: r.value_text(v, "ms")),
            r.count(sizes[0]),
            between([row.value for row in rows if row.get("leaves") == sizes[-1]], lambda v: r.value_text(v, "ms")),
            r.count(sizes[-1]))
        figures.append(figure("durable-checkpoint", "A checkpoint after 10,000 more leaves",
                              charts.lines(lines, [], "leaves in the tree", "ms", right=118), caption, rows,
                              tables.numbers(rows, "A checkpoint after 10,000 more leaves")))
    growth_rows = [row for row in run.find("growth_point") if r.number(row.get("checkpoint_ms"))]
    if len(distinct(growth_rows, "leaves")) > 1:
        lines = growth_lines(growth_rows, "checkpoint_ms", 1)
        sizes = distinct(growth_rows, "leaves")
        caption = "While the tree grows to %s leaves, a checkpoint takes %s." % (
            r.count(sizes[-1]), between([row.get("checkpoint_ms") for row in growth_rows],
                                        lambda v: r.value_text(v, "ms")))
        figures.append(figure("durable-growth-checkpoint", "Checkpoints of a growing tree",
                              charts.lines(lines, [], "leaves in the tree", "ms", x_log=not evenly(
                                  distinct(run.find("growth_point"), "leaves"))), caption, growth_rows,
                              checkpoint_numbers(growth_rows)))
    rows = measured(run.find("insert_rate_with_checkpoints"))
    if rows:
        values = [[(row.value / 1e6, row.low and row.low / 1e6, row.high and row.high / 1e6) for row in rows]]
        caption = "With checkpoints in the background, %s." % listed(
            ("%s million leaves a second become durable in a tree of %s" if row is rows[0] else "%s in one of %s") % (
                r.short(row.value / 1e6), r.count(row.get("leaves", 0))) for row in rows)
        figures.append(figure("durable-rate", "Rate with checkpoints in the background",
                              charts.bars(["%s leaves" % r.count(row.get("leaves", 0)) for row in rows], ["rate"],
                                          values, "million leaves/s", number=lambda v: "%.1f" % v), caption, rows,
                              tables.numbers(rows, "Rate with checkpoints in the background")))
    return figures


def checkpoint_numbers(rows):
    return page.table([page.Number("N"), page.Number("leaves"), page.Number("checkpoint")],
                      [(None, [[page.Number(row.get("n", "")), page.Number(r.count(row.get("leaves"))),
                                page.Number(r.value_text(row.get("checkpoint_ms"), "ms"))] for row in rows])],
                      "Checkpoints of a growing tree")
