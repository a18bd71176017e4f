"""The report's sections on trees in memory: what is drawn, and what each drawing says in one sentence.

A section is a function of the run that returns its figures; none where the run has no rows for it. Sentences are made
of the run's own figures.
"""
import statistics

import charts
import page
import rows as r
import tables

ARITY_COLOURS = {2: 0, 4: 1, 8: 2, 16: 3}


def figure(name, title, drawing, caption, rows, numbers=None):
    return page.figure(name, title, charts.svg(drawing, "svg-" + name, title, caption), caption,
                       numbers or tables.numbers(rows, title, derived=False))


def colour_of(arity):
    return ARITY_COLOURS.get(arity, 0)


def distinct(rows, name):
    return sorted({row.get(name) for row in rows if row.get(name) is not None})


def between(values, digits=r.short, unit=""):
    """12.3 to 45.6, or one figure where they are the same."""
    low, high = digits(min(values)), digits(max(values))
    return (low if low == high else "%s to %s" % (low, high)) + unit


def listed(words):
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def point(x, row, scale=1.0):
    low, high = row.low, row.high
    return (x, row.value / scale, None if low is None else low / scale, None if high is None else high / scale)


def measured(rows):
    return [row for row in rows if r.number(row.value)]


def leaves_text(count):
    return "one leaf" if count == 1 else r.count(count) + " leaves"


def threads_text(run, threads):
    return r.plural(threads, "thread") + (" (all)" if threads == run.header.get("cpus") and threads > 1 else "")


def peak(run, arity, threads):
    """Leaves per second of the kernel alone on cached data, as many side by side as there are threads; or None."""
    implied = [row.value / row.get("peak_fraction")
               for measure in ("insert_many", "insert_many_batches")
               for row in measured(run.find(measure, n=arity, threads=threads)) if row.get("peak_fraction")]
    if implied:
        return statistics.median(implied)
    alone = run.one("kernel_block", n=arity, kernel=run.header.get("kernel"))
    return alone.get("leaves_per_s") if alone and threads == 1 else None


def one_at_a_time(run, arity, leaves=None):
    """Leaves per second of hashing one node at a time, by a streaming hasher; of the largest tree, or None."""
    found = [row for row in measured(run.find("one_at_a_time", n=arity, way="streaming"))
             if leaves is None or row.get("leaves") == leaves]
    if found:
        return max(found, key=lambda row: row.get("leaves", 0)).value
    implied = [row.value / row.get("over_one_at_a_time") for row in measured(run.find("insert_many_batches", n=arity))
               if row.get("over_one_at_a_time")]
    return statistics.median(implied) if implied else None


# ---------------------------------------------------------------- batches

def batches_rate(run, rows, threads):
    arities = distinct(rows, "n")
    series = [charts.Line("N=%d" % n, [point(row.get("batch"), row, 1e6) for row in rows if row.get("n") == n],
                          colour_of(n)) for n in arities]
    limits, kinds = [], []
    peaks = {n: peak(run, n, threads) for n in arities}
    bases = {n: one_at_a_time(run, n) for n in arities}
    if any(peaks.values()):
        limits += [charts.Limit(None, peaks[n] / 1e6, colour_of(n)) for n in arities if peaks[n]]
        kinds.append(("the kernel's peak", ":"))
    if any(bases.values()):
        limits += [charts.Limit(None, bases[n] / 1e6, colour_of(n), (0, (5, 3))) for n in arities if bases[n]]
        kinds.append(("one node at a time", (0, (5, 3))))
    largest, smallest = max(distinct(rows, "batch")), min(distinct(rows, "batch"))
    best = {row.get("n"): row.value for row in rows if row.get("batch") == largest}
    least = [row.value / 1e6 for row in rows if row.get("batch") == smallest]
    caption = "With %s, batches of %s enter at %s million leaves a second and batches of %s at %s" % (
        threads_text(run, threads), leaves_text(smallest), between(least), r.count(largest),
        between([value / 1e6 for value in best.values()]))
    over = [best[n] / bases[n] for n in best if bases.get(n)]
    if over:
        caption += ", there %s times as fast as one node at a time on one thread (dashed)" % between(over)
    part = [best[n] / peaks[n] for n in best if peaks.get(n)]
    if part:
        caption += " and %s of the kernel's peak (dotted)" % between(part, r.percent)
    drawing = charts.lines(series, limits, "leaves in a batch, a root each", "million leaves/s", y_log=True,
                           kinds=kinds, height=350)
    return figure("batches-%d" % threads, "Rate by batch size, " + threads_text(run, threads), drawing, caption + ".",
                  rows)


def batches_part(run, rows, threads):
    rows = [row for row in rows if r.number(row.limit_fraction)]
    if not rows:
        return None
    series = [charts.Line("N=%d" % n, [(row.get("batch"), row.limit_fraction, None, None) for row in rows
                                       if row.get("n") == n], colour_of(n)) for n in distinct(rows, "n")]
    batches_ = distinct(rows, "batch")
    parts = {batch: [row.limit_fraction for row in rows if row.get("batch") == batch] for batch in batches_}
    least = min(batches_, key=lambda batch: statistics.mean(parts[batch]))
    caption = "Of what its limit allows, a tree with %s gets %s at batches of %s" % (
        threads_text(run, threads), between(parts[batches_[-1]], r.percent), leaves_text(batches_[-1]))
    if least != batches_[-1]:
        caption += " and least, %s, at batches of %s" % (between(parts[least], r.percent), leaves_text(least))
    top = max(1.0, max(row.limit_fraction for row in rows))
    drawing = charts.lines(series, [charts.Limit("limit", 1.0)], "leaves in a batch, a root each",
                           "part of the limit", y_format=charts.parts, y_top=top * 1.06, height=350)
    return figure("batches-part-%d" % threads, "Part of the limit by batch size, " + threads_text(run, threads),
                  drawing, caption + ".", rows, tables.numbers(rows, "Part of the limit by batch size"))


def batches(run):
    rows = measured(run.find("insert_many_batches"))
    figures = []
    for threads in distinct(rows, "threads"):
        own = [row for row in rows if row.get("threads") == threads]
        figures += [batches_rate(run, own, threads), batches_part(run, own, threads)]
    return [entry for entry in figures if entry]


# ---------------------------------------------------------------- arities and threads

def arities_chart(run, rows, threads, leaves):
    arities = distinct(rows, "n")

    def entry(value, low=None, high=None):
        return None if value is None else (value / 1e6, low and low / 1e6, high and high / 1e6)

    def of(memory):
        found = {row.get("n"): row for row in rows if row.get("memory") == memory}
        return [entry(found[n].value, found[n].low, found[n].high) if n in found else None for n in arities]

    series = [("touched memory", of("touched")), ("fresh memory", of("fresh"))]
    base = [one_at_a_time(run, n, leaves) or one_at_a_time(run, n) for n in arities]
    if any(base):
        series.append(("one node at a time", [entry(value) for value in base]))
    series = [(name, values) for name, values in series if any(values)]
    peaks = [peak(run, n, threads) for n in arities]
    best = [row for row in rows if row.get("memory") == "touched"] or rows
    caption = "%s of %s leaves by %s takes %s million leaves a second in memory touched before" % (
        "One insert", r.count(leaves), threads_text(run, threads), between([row.value / 1e6 for row in best]))
    parts = [row.get("peak_fraction") for row in best if r.number(row.get("peak_fraction"))]
    if parts:
        caption += ", %s of what the kernel reaches on cached data" % between(parts, r.percent)
    fresh = [row.value / 1e6 for row in rows if row.get("memory") == "fresh"]
    if fresh and best != rows:
        caption += "; %s in fresh memory, page faults included" % between(fresh)
    drawing = charts.bars(["N=%d" % n for n in arities], [name for name, _ in series], [v for _, v in series],
                          "million leaves/s", [p and p / 1e6 for p in peaks],
                          "the kernel's peak" if any(peaks) else None,
                          number=lambda v: "%.0f" % v if v >= 9.95 else "%.1f" % v, height=340)
    others = [row for n in arities for row in run.find("one_at_a_time", n=n)]
    return figure("arity-%d" % threads, "%s leaves at once, %s" % (r.count(leaves), threads_text(run, threads)),
                  drawing, caption + ".", rows,
                  page.joined([tables.numbers(rows, "insert_many"),
                               tables.numbers(others, "one node at a time") if others else ""]))


def arity(run):
    rows = measured(run.find("insert_many"))
    if not rows:
        return []
    leaves = max(distinct(rows, "leaves"))
    rows = [row for row in rows if row.get("leaves") == leaves]
    return [arities_chart(run, [row for row in rows if row.get("threads") == threads], threads, leaves)
            for threads in distinct(rows, "threads")]


def threads(run):
    rows = measured(run.find("insert_many", memory="touched"))
    if len(distinct(rows, "threads")) < 2:
        return []
    leaves = max(distinct(rows, "leaves"))
    rows = [row for row in rows if row.get("leaves") == leaves]
    counts = distinct(rows, "threads")
    arities = distinct(rows, "n")
    most = counts[-1]

    def rate(n, count):
        return next((row for row in rows if row.get("n") == n and row.get("threads") == count), None)

    series = [charts.Line("N=%d" % n, [point(count, rate(n, count), 1e6) for count in counts if rate(n, count)],
                          colour_of(n)) for n in arities]
    caption = "With %s, a tree takes %s million leaves a second, with one thread %s." % (
        r.plural(most, "thread"), between([rate(n, most).value / 1e6 for n in arities if rate(n, most)]),
        between([rate(n, 1).value / 1e6 for n in arities if rate(n, 1)] or [0]))
    figures = [figure("threads-rate", "Rate by threads, %s leaves at once, touched memory" % r.count(leaves),
                      charts.lines(series, [], "threads", "million leaves/s", x_log=False, x_ticks=counts), caption,
                      rows)]
    scaled = [row for row in rows if r.number(row.get("over_one_thread"))]
    if scaled:
        figures.append(threads_gain(scaled, counts, most))
    return figures


def threads_gain(scaled, counts, most):
    arities = distinct(scaled, "n")
    if len(counts) > 2:
        lines = [charts.Line("N=%d" % n, [(1, 1.0, None, None)] + [
            (row.get("threads"), row.get("over_one_thread"), None, None) for row in scaled if row.get("n") == n],
            colour_of(n)) for n in arities]
        lines.append(charts.Line(None, [(count, count, None, None) for count in counts], None, ":", ""))
        drawing = charts.lines(lines, [], "threads", "times as fast", x_log=False, x_ticks=counts)
    else:
        gains = {row.get("n"): row.get("over_one_thread") for row in scaled}
        drawing = charts.bars(["N=%d" % n for n in arities], ["gain"], [[(gains[n], None, None) for n in arities]],
                              "times as fast", line_at=most, number=lambda v: "%.2f" % v)
    top = [row.get("over_one_thread") for row in scaled if row.get("threads") == most]
    caption = "%s are %s times as fast as one, in turn with it; the dotted line is %s times." % (
        r.plural(most, "thread").capitalize(), between(top), r.count(most))
    return figure("threads-gain", "Gain over one thread", drawing, caption, scaled,
                  tables.numbers(scaled, "Gain over one thread"))


# ---------------------------------------------------------------- single inserts

def single_chart(run, rows, measure, memory):
    arities = distinct(rows, "n")
    sizes = distinct(rows, "leaves")
    what = "with the root of each" if measure == "insert_with_root" else "without roots"
    where = " in %s memory" % memory if memory else ""
    title = "One leaf at a time, %s%s" % (what, "" if not memory else ", %s memory" % memory)
    name = measure.replace("_", "-") + ("-" + memory if memory else "")
    if len(sizes) > 1:
        series = [charts.Line("N=%d" % n, [point(row.get("leaves"), row) for row in rows if row.get("n") == n],
                              colour_of(n)) for n in arities]
        limits = [charts.Line(None, [(row.get("leaves"), row.value * row.limit_fraction, None, None) for row in rows
                                     if row.get("n") == n and row.limit_fraction], colour_of(n), ":", "")
                  for n in arities]
        limits = [line for line in limits if len(line.points) > 1]
        drawing = charts.lines(series + limits, [], "leaves in the tree", "ns an insert", y_format=charts.plain,
                               kinds=[("least that hashing allows", ":")] if limits else ())
    else:
        values = [[(row.value, row.low, row.high) if row else None for row in
                   [next((row for row in rows if row.get("n") == n), None) for n in arities]]]
        drawing = charts.bars(["N=%d" % n for n in arities], ["insert"], values, "ns an insert",
                              number=lambda v: "{:,.0f}".format(v))
    # Not every arity is measured at every size.
    size = max(sizes, key=lambda leaves: (sum(1 for row in rows if row.get("leaves") == leaves), leaves))
    largest = [row for row in rows if row.get("leaves") == size]
    caption = "An insert %s%s takes %s %s" % (
        what, where, between([row.value for row in largest], r.time_text),
        "in a tree of %s leaves" % r.count(size) if size else "from an empty tree on")
    lone = [row.get("lone_compressions") for row in largest if r.number(row.get("lone_compressions"))]
    needed = [row.get("needed_compressions") for row in largest if r.number(row.get("needed_compressions"))]
    if lone and needed:
        caption += ", the time of %s compressions after each other, where hashing nothing twice needs %s" % (
            between(lone), between(needed))
    return figure(name, title, drawing, caption + ".", rows, tables.numbers(rows, title))


def single(run):
    figures = []
    for measure in ("insert_with_root", "insert_without_root"):
        rows = measured(run.find(measure))
        for memory in distinct(rows, "memory") or ([None] if rows else []):
            own = [row for row in rows if row.get("memory") == memory]
            figures.append(single_chart(run, own, measure, memory))
    return figures


# ---------------------------------------------------------------- latencies

LATENCIES = {"insert_with_root": "Insert with root", "insert_without_root": "Insert without root",
             "durable_insert": "Durable insert", "proof_make": "Making a proof", "snapshot_take": "Taking a snapshot",
             "insert_during_checkpoint": "Insert while a checkpoint is written"}


def latency_chart(row, index):
    bounds, counts = row.get("bounds_ns"), row.get("counts")
    title = LATENCIES.get(row.get("of"), str(row.get("of")).replace("_", " "))
    more = []
    for name, value in row.identity()[1:]:
        if name == "threads" and row.get("of") == "durable_insert":
            more.append(r.plural(value, "caller"))
        elif name != "of" and not (name == "threads" and value == 1):
            more.append(r.field_text(name, value))
    marks = [(text, row.get(name)) for name, text in (("p50_ns", "p50"), ("p99_ns", "p99"), ("p999_ns", "p99.9"),
                                                      ("max_ns", "max")) if r.number(row.get(name))]
    said = [(text, row.get(name)) for name, text in (("p50_ns", "half"), ("p99_ns", "99\u00a0%"),
                                                     ("p999_ns", "99.9\u00a0%"))
            if r.number(row.get(name))]
    caption = "Of %s calls, %s" % (r.count(sum(counts)), listed(
        "%s took at most %s" % (text, r.time_text(value)) for text, value in said)) if said else \
        "%s calls" % r.count(sum(counts))
    if r.number(row.get("max_ns")):
        caption += "; the slowest took " + r.time_text(row.get("max_ns"))
    drawing = charts.histogram(bounds, counts, marks, "time of one call", "part of the calls in each step of time")
    title += ": " + ", ".join(more) if more else ""
    return figure("latency-%s-%d" % (str(row.get("of")).replace("_", "-"), index), title, drawing, caption + ".", [row],
                  page.joined([tables.numbers([row], title), buckets(bounds, counts, title)]))


def buckets(bounds, counts, title):
    total = sum(counts)
    lines = [[page.Number(r.time_text(bound)), page.Number(r.count(count)),
              page.Number("%.4f %%" % (100 * count / total))]
             for bound, count in zip(bounds, counts) if count]
    return page.table([page.Number("up to"), page.Number("calls"), page.Number("part")], [(None, lines)],
                      title + ": counts")


def latencies(run, place):
    found = [row for row in run.find("latency") if row.place() == place and sum(row.get("counts")) > 0]
    return [latency_chart(row, index) for index, row in enumerate(found)]


# ---------------------------------------------------------------- snapshots, proofs, memory, kernels

def snapshots(run):
    figures = []
    for measure, title, what in (("snapshot_take", "Taking a snapshot of the tree as it is", "A snapshot"),
                                 ("snapshot_at", "A snapshot of an earlier size",
                                  "A snapshot of a random earlier size")):
        rows = measured(run.find(measure))
        if len(distinct(rows, "leaves")) < 2:
            continue
        series = [charts.Line("N=%d" % n, [point(row.get("leaves"), row) for row in rows if row.get("n") == n],
                              colour_of(n)) for n in distinct(rows, "n")]
        sizes = distinct(rows, "leaves")
        caption = "%s takes %s in trees of %s to %s leaves." % (
            what, between([row.value for row in rows], r.time_text), r.count(sizes[0]), r.count(sizes[-1]))
        figures.append(figure(measure.replace("_", "-"), title,
                              charts.lines(series, [], "leaves in the tree", "ns"), caption, rows))
    return figures


PROOFS = {"proof_make": "make", "proof_make_past": "make, past", "proof_verify": "verify",
          "proof_verify_many": "verify, each of", "proof_update": "move to a later root",
          "consistency_make": "consistency: make", "consistency_verify": "consistency: verify"}
INDEXES = {"random": "random leaves", "64, cached": "64 leaves", "random, at random sizes": "random sizes"}


def proof_name(row):
    name = PROOFS.get(row.measure)
    if name is None:
        name = row.measure.replace("consistency_", "consistency: ").replace("proof_", "").replace("_", " ")
    if row.get("batch"):
        name += " %s at once" % r.count(row.get("batch"))
    if row.get("indexes"):
        name += ", " + INDEXES.get(row.get("indexes"), row.get("indexes"))
    return name


def least_time(row):
    return row.value * row.limit_fraction if row.limit_fraction else None


def proofs(run):
    rows = [row for row in measured(run.rows) if row.unit == "ns" and row.place() == "memory" and
            row.measure.startswith(("proof_", "consistency_"))]
    entries = [charts.Entry(proof_name(row), row.value, row.low, row.high, r.time_text(row.value), 0, least_time(row))
               for row in rows]
    if not rows:
        return []
    made, verified = run.one("proof_make"), run.one("proof_verify")
    said = [words % r.time_text(row.value) for row, words in ((made, "made in %s"), (verified, "verified in %s"))
            if row and r.number(row.value)]
    many = measured(run.find("proof_verify_many"))
    if many:
        best = max(many, key=lambda row: row.get("batch", 0))
        said.append("verified %s at a time in %s each" % (r.count(best.get("batch", 0)), r.time_text(best.value)))
    caption = "A proof of a leaf in a tree of %s leaves at N=%d is %s." % (
        r.count(rows[0].get("leaves", 0)), rows[0].get("n", 0), listed(said)) if said else "Proofs."
    drawing = charts.rows(entries, "time of one", limit_name="least possible" if any(
        entry.limit for entry in entries) else None)
    return [figure("proofs-times", "Inclusion and consistency proofs", drawing, caption, rows,
                   tables.numbers(rows, "Proofs"))]


def truncation(run):
    rows = [row for name in ("truncate", "insert_after_truncate") for row in measured(run.find(name))]
    if not rows:
        return []
    arities = distinct(rows, "n")
    words = {"truncate": "truncate", "insert_after_truncate": "first insert after it"}
    names = [name for name in words if run.find(name)]
    values = [[next(((row.value, row.low, row.high) for row in rows if row.get("n") == n and row.measure == name), None)
               for n in arities] for name in names]
    caption = "Cutting up to %s leaves off takes %s" % (
        r.count(max(row.get("most_cut", 0) for row in rows)),
        between([row.value for row in rows if row.measure == names[0]], r.time_text))
    if len(names) > 1:
        caption += ", the first insert after it, with its root, %s" % between(
            [row.value for row in rows if row.measure == names[1]], r.time_text)
    drawing = charts.bars(["N=%d" % n for n in arities], [words[name] for name in names], values, "ns",
                          number=lambda v: "{:,.0f}".format(v))
    return [figure("truncation", "Truncation of a tree of %s leaves" % r.count(rows[0].get("leaves", 0)), drawing,
                   caption + ".", rows, page.joined(tables.numbers(
                       [row for row in rows if row.measure == name], words[name]) for name in names))]


def memory(run):
    rows = measured(run.find("memory_over_nodes"))
    if not rows:
        return []
    arities, kinds = distinct(rows, "n"), []
    for row in rows:
        if row.get("of") not in kinds:
            kinds.append(row.get("of"))
    values = [[next(((row.value, row.low, row.high) for row in rows if row.get("n") == n and row.get("of") == kind),
                    None) for n in arities] for kind in kinds]
    per_leaf = [row.get("bytes_per_leaf") for row in rows if r.number(row.get("bytes_per_leaf"))]
    caption = "A tree of %s leaves takes %s times the 32 bytes of each of its nodes" % (
        r.count(rows[0].get("leaves", 0)), between([row.value for row in rows], lambda v: "%.3f" % v))
    if per_leaf:
        caption += ", %s bytes a leaf" % between(per_leaf)
    drawing = charts.bars(["N=%d" % n for n in arities], kinds, values, "memory over 32 bytes a node", line_at=1.0,
                          number=lambda v: "%.2f" % v)
    return [figure("memory-nodes", "Memory over the nodes themselves", drawing, caption + ".", rows,
                   tables.numbers(rows, "Memory over the nodes themselves"))]


def kernels(run):
    figures = []
    rows = [row for row in measured(run.find("kernel_block")) if r.number(row.get("leaves_per_s"))]
    if rows:
        names = []
        for row in rows:
            if row.get("kernel") not in names:
                names.append(row.get("kernel"))
        names = names[:4]
        arities = distinct(rows, "n")
        values = [[next(((row.get("leaves_per_s") / 1e6, None, None) for row in rows
                         if row.get("n") == n and row.get("kernel") == name), None) for n in arities] for name in names]
        own = [row for row in rows if row.get("kernel") == run.header.get("kernel")] or rows
        caption = "On cached data one thread of the kernel %s hashes the nodes of %s million leaves a second." % (
            own[0].get("kernel"), between([row.get("leaves_per_s") / 1e6 for row in own]))
        drawing = charts.bars(["N=%d" % n for n in arities], names, values, "million leaves/s",
                              number=lambda v: "%.0f" % v)
        figures.append(figure("kernels-peak", "Hash kernels alone", drawing, caption, rows,
                              tables.numbers(rows, "Hash kernels alone")))
    rows = measured(run.find("kernel_over_official"))
    if rows:
        arities = distinct(rows, "n")
        values = [[next(((row.value, row.low, row.high) for row in rows if row.get("n") == n), None) for n in arities]]
        caption = "A compression by the kernel is %s times as fast as one by the official program b3sum." % between(
            [row.value for row in rows])
        drawing = charts.bars(["N=%d" % n for n in arities], ["kernel"], values, "times as fast as b3sum", line_at=1.0,
                              number=lambda v: "%.2f" % v)
        figures.append(figure("kernels-official", "The kernel over the official program", drawing, caption, rows,
                              tables.numbers(rows, "The kernel over the official program")))
    return figures
