"""The report's section on what stands in the way of the bounds that a run has missed: the ledgers of the run, in which
the benchmark splits a time into parts that it has measured.

Nothing is said that the run does not hold. A bound that names no ledger of the run is named as such.
"""
import charts
import page
import rows as r
from sections_memory import listed

TITLE = "What stands in the way"
LEAST = 0.005  # parts below that are in the table only
# What the benchmark counted beside a time, and its words; {} is the figure, for one of what the time is of.
FACTS = (
    ("threads_at_work", "threads at work: {}", r.per_text),
    ("empty_lanes_fraction", "{} of the kernel's lanes had no group", r.percent),
    ("chained_calls", "{} nodes waited for the one before", r.per_text),
    ("lone_compressions", "{} compressions waited for the one before", r.per_text),
    ("lone_ns", "each {}", r.time_text),
    ("page_faults", "{} page faults", r.per_text),
    ("fault_ns", "{} each", r.time_text),
    ("fresh_memory_ns", "in fresh memory {}", r.time_text),
    ("fresh_page_faults", "there {} page faults", r.per_text),
    ("cycles", "{} cycles", r.per_text),
    ("instructions", "{} instructions", r.per_text),
    ("branch_misses", "{} branches not foreseen", r.per_text),
    ("syncs_per_s", "{} syncs a second", r.per_text),
    ("inserts_per_sync", "{} inserts shared one", r.per_text),
    ("before_the_first_write_fraction", "nothing was written in the first {} of the time", r.percent),
    ("sync_under_way_fraction", "a sync was under way {} of the time", r.percent),
    ("write_under_way_fraction", "a write {}", r.percent),
    ("disk_busy_fraction", "the disk was busy {} of the time", r.percent),
    ("disk_busy_at_1M_fraction", "at 1M leaves {}", r.percent),
    ("first_quarter_ns", "in the first quarter a leaf took {}", r.time_text),
    ("first_quarter_work_ns", "of it the work of the processors {}", r.time_text),
    ("first_quarter_disk_busy_fraction", "with the disk busy {} of the time", r.percent),
    ("last_flush_ms", "the last flush took {}", lambda value: r.time_text(value * 1e6)),
    ("waits_per_insert", "{} times a thread gave its processor up", r.per_text),
    ("preemptions_per_insert", "{} times it lost it", r.per_text),
    ("switch_ns", "a switch to another thread took {}", r.time_text),
    ("user_ns", "processors worked {} in user mode", r.time_text),
    ("system_ns", "{} in the system", r.time_text),
    ("user_ms", "processors worked {} in user mode", lambda value: r.time_text(value * 1e6)),
    ("system_ms", "{} in the system", lambda value: r.time_text(value * 1e6)),
    ("processors_busy_fraction", "the processors were busy {} of the time", r.percent),
    ("written_bytes_per_leaf", "{} bytes were written", r.per_text),
)


def facts(ledger):
    return [words.format(form(ledger.whole.get(name))) for name, words, form in FACTS
            if r.number(ledger.whole.get(name))]


def title(ledger):
    words = ledger.name.replace("_", " ")
    return words[:1].upper() + words[1:]


def per(ledger):
    words = ledger.whole.get("per")
    return "%s %s" % ("an" if words[:1] in "aeiou" else "a", words)


def told(ledger):
    """The parts in words: what they are of the whole, and what they leave."""
    whole = ledger.whole.value
    time = r.times_text(whole)
    parts = [row for row in ledger.parts if row.value >= LEAST * whole]
    words = "%s %s" % (time(whole), per(ledger))
    if parts:
        words += ": " + listed("%s %s" % (time(row.value), row.get("part")) for row in parts)
    rest = ledger.rest.value if ledger.rest else 0
    if rest >= LEAST * whole:
        words += "; %s are not explained" % time(rest)
    elif rest <= -LEAST * whole:
        words += "; measured one by one they come to %s more than the whole" % time(-rest)
    return words + "."


def table(ledger):
    whole = ledger.whole.value
    time = r.times_text(whole)
    lines = []
    for row in ledger.rows() + [ledger.whole]:
        spread = row.get("samples", 0) > 1
        lines.append([row.get("part"), page.Number(time(row.value)), page.Number(r.percent(row.value / whole)),
                      page.Number(time(row.low) if spread else ""), page.Number(time(row.high) if spread else "")])
    pieces = [page.table(["part", page.Number("median"), page.Number("of the whole"), page.Number("min"),
                          page.Number("max")], [(None, lines)], "%s: %s" % (title(ledger), per(ledger)))]
    counted = facts(ledger)
    if counted:
        pieces.append(page.paragraph("Counted beside it, for each %s: %s." % (ledger.whole.get("per"),
                                                                              "; ".join(counted)), "note"))
    return page.joined(pieces)


def goal(bounds, margin):
    """The least part of the time in which all of these would be reached, or None."""
    parts = [margin(row) for row in bounds]
    return min(parts) if parts and all(parts) else None


def bound_words(row):
    relation = {">=": "\u2265", "<=": "\u2264"}.get(row.get("relation"), row.get("relation"))
    return "%s: %s, target %s\u00a0%s %s" % (row.get("what"), r.short(row.get("value")), relation,
                                            r.count(row.get("bound")), row.get("unit"))


def drawing(ledger, part):
    whole = ledger.whole.value
    time = r.times_text(whole)
    shown = [charts.Step(row.get("part"), row.value, time(row.value)) for row in ledger.parts
             if row.value >= LEAST * whole]
    if ledger.rest and abs(ledger.rest.value) >= LEAST * whole:
        shown.append(charts.Step(r.REST if ledger.rest.value > 0 else "measured twice", ledger.rest.value,
                                 time(ledger.rest.value), 1))
    return charts.steps(shown, "time of " + per(ledger),
                        mark=None if part is None else part * whole, mark_name="where the bound is")


def figure(index, ledger, bounds, margin):
    name = "obstacle-%d" % index
    part = goal(bounds, margin)
    words = told(ledger)
    caption = page.joined([page.paragraph(words)] + [page.paragraph("Missed: %s." % bound_words(row), "note")
                                                     for row in bounds])
    return page.figure(name, title(ledger), charts.svg(drawing(ledger, part), "svg-" + name, title(ledger), words),
                       caption, table(ledger))


def make(run, missed, margin):
    """missed: bounds, the farthest from its target first; margin: how near a bound is to it."""
    if not run.ledgers:
        return []
    by_ledger, others = {}, []
    for row in missed:
        if row.get("ledger") in run.ledgers:
            by_ledger.setdefault(row.get("ledger"), []).append(row)
        else:
            others.append(row.get("what"))
    pieces = [page.paragraph(
        "Of bounds that were missed: the time, and the parts of it that this run has measured by themselves, each from "
        "where the one before ended. The dotted line is where the last would have to end." if by_ledger
        else "No bound was missed whose time this run has split into parts.", "lead")]
    if by_ledger:
        figures = [figure(index, run.ledgers[name], rows, margin)
                   for index, (name, rows) in enumerate(by_ledger.items())]
        pieces.append(page.element("div", page.joined(figures), class_="charts"))
    if others:
        pieces.append(page.paragraph("Missed, but not split into parts by this run: %s." % "; ".join(others), "note"))
    rest = [ledger for name, ledger in run.ledgers.items() if name not in by_ledger]
    if rest:
        pieces.append(page.details("What %s made of, that no missed bound asks for" % (
            "one more time is" if len(rest) == 1 else "%d more times are" % len(rest)),
            page.joined(page.joined([page.paragraph("%s. %s" % (title(ledger), told(ledger))), table(ledger)])
                        for ledger in rest)))
    return pieces
