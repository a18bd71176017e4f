"""What differs between two runs of rotortree-bench beyond their noise: ./dev bench --compare A.jsonl B.jsonl.

Rows are the same where measure, arity, size, threads, texts and settings are. Of each, the medians are compared by the
larger over the smaller, less one: so A against B and B against A find the same rows. That is a change where it is

  - more than a floor: 5 % where both rows have 5 samples or more, 10 % from 3 on, 20 % below or where none are told; of
    memory, which no busy machine makes larger, always 5 %; and
  - more than half of (max - min) over the median in both runs, or such that the samples of the runs do not overlap.

The spread within a run says nothing of a machine that is slower an hour later; what the machine does without a tree
(the yardsticks) is therefore compared too, and so is the part of the limit, which was measured beside each figure.
Several files for a side (A1.jsonl,A2.jsonl) are one run of medians of medians, the least min, the largest max and all
samples.

Exit status: 0 whatever is found, 2 for input that is no run, 1 where the page cannot be written.
"""
import os
import signal
import statistics
import sys

sys.dont_write_bytecode = True
import page  # noqa: E402
import rows as r  # noqa: E402

FLOORS = ((5, 0.05), (3, 0.10), (0, 0.20))
# What should be the same for a comparison of two versions of the program, and what is expected to differ.
SAME = ("cpu", "cpus", "kernel", "os", "huge_pages", "caches", "compiler", "clock", "file_system", "mode")
PLACES = (("memory", "in memory"), ("stored", "on disk, nothing waits for the disk"), ("durable", "durable"))


class Side:
    """One or more runs as one: figures by identity."""

    def __init__(self, paths):
        self.runs = [r.read(path) for path in paths]
        self.header = self.runs[0].header
        self.rows, self.figures, self.bounds = {}, {}, {}
        found = {}
        for run in self.runs:
            seen = {}
            for row in run.rows:
                identity = row.identity()
                seen[identity] = seen.get(identity, 0) + 1
                for figure in row.figures():
                    key = (identity, seen[identity], figure.name)
                    self.rows.setdefault(key, row)
                    found.setdefault(key, []).append(figure)
            for row in run.bounds:
                self.bounds[row.get("what")] = row
        for key, figures in found.items():
            self.figures[key] = joined(figures)

    def name(self):
        return ", ".join(os.path.basename(run.path) for run in self.runs)


def joined(figures):
    if len(figures) == 1:
        return figures[0]
    lows = [f.low for f in figures if r.number(f.low)] or [f.value for f in figures]
    highs = [f.high for f in figures if r.number(f.high)] or [f.value for f in figures]
    return r.Figure(figures[0].name, figures[0].unit, statistics.median(f.value for f in figures), min(lows),
                    max(highs), sum(max(f.samples, 1) for f in figures))


class Change:
    def __init__(self, key, row, a, b, of_limit):
        self.identity, self.name, self.row, self.a, self.b, self.of_limit = key[0], key[2], row, a, b, of_limit
        self.yardstick = row.measure in r.YARDSTICKS
        self.floor = floor(row, a, b)
        self.noise = max(self.floor, spread(a), spread(b))
        comparable = a.value > 0 and b.value > 0
        self.size = max(a.value, b.value) / min(a.value, b.value) - 1 if comparable else 0.0
        self.part = b.value / a.value - 1 if comparable else 0.0
        self.real = self.size > self.floor and (self.size > self.noise or apart(a, b))
        self.by_samples = self.real and self.size <= self.noise
        self.better = (b.value > a.value) == row.higher_is_better(a.unit)

    def noise_text(self):
        """What the change is above; or that the samples are apart, however far they spread."""
        return "apart" if self.by_samples else r.percent(self.noise)

    def what(self):
        words = [self.row.measure]
        told = r.identity_text(self.identity)
        if told:
            words.append(told)
        if self.name:
            words.append(self.name.replace("_", " "))
        return ", ".join(words)


def spread(figure):
    if not r.number(figure.low) or not r.number(figure.high) or figure.value <= 0:
        return 0.0
    return (figure.high - figure.low) / 2 / figure.value


def floor(row, a, b):
    if a.unit == "bytes" or row.measure in r.COSTLY_RATIOS:
        return FLOORS[0][1]
    samples = min(a.samples, b.samples)
    return next(part for least, part in FLOORS if samples >= least)


def apart(a, b):
    if not all(r.number(value) for value in (a.low, a.high, b.low, b.high)):
        return False
    return a.low > b.high or b.low > a.high


class Comparison:
    def __init__(self, a, b):
        self.a, self.b = a, b
        self.changes = []
        for key, figure in a.figures.items():
            if key in b.figures and b.figures[key].unit == figure.unit:
                row = a.rows[key]
                of_limit = (row.limit_fraction, b.rows[key].limit_fraction)
                self.changes.append(Change(key, row, figure, b.figures[key], of_limit))
        self.only_a = [name_of(a.rows[key], key) for key in a.figures if key not in b.figures]
        self.only_b = [name_of(b.rows[key], key) for key in b.figures if key not in a.figures]
        self.real = sorted((change for change in self.changes if change.real), key=lambda change: -change.size)

    def of(self, place, better):
        return [change for change in self.real
                if not change.yardstick and change.row.place() == place and change.better == better]

    def yardsticks(self):
        return [change for change in self.real if change.yardstick]

    def warnings(self):
        """Headers that differ, and a commit that does not."""
        told = []
        for name in SAME:
            values = [sorted({str(run.header.get(name)) for run in side.runs}) for side in (self.a, self.b)]
            if len(values[0]) > 1 or values[0] != values[1]:
                told.append("%s differs: %s | %s" % (name.replace("_", " "), " / ".join(values[0]),
                                                     " / ".join(values[1])))
        commits = [sorted({str(run.header.get("commit")) for run in side.runs}) for side in (self.a, self.b)]
        for letter, found in zip("AB", commits):
            if len(found) > 1:
                told.append("%s is of several commits: %s" % (letter, ", ".join(found)))
        if commits[0] != commits[1]:
            told.append("commit differs: %s | %s" % (", ".join(commits[0]), ", ".join(commits[1])))
        return told

    def verdicts(self):
        """Bounds that were reached in one run only."""
        told = []
        for what, row in self.a.bounds.items():
            other = self.b.bounds.get(what)
            if other is not None and row.get("verdict") != other.get("verdict"):
                told.append((what, row, other))
        return told

    def counts(self):
        real = [change for change in self.real if not change.yardstick]
        worse = sum(1 for change in real if not change.better)
        return len(self.changes), worse, len(real) - worse


def name_of(row, key):
    told = r.identity_text(key[0])
    return ", ".join([row.measure] + ([told] if told else []) + ([key[2].replace("_", " ")] if key[2] else []))


def summary_text(comparison):
    both, worse, better = comparison.counts()
    return "%s in both runs: %d worse, %d better beyond noise; %s and %s in one run only" % (
        r.plural(both, "figure"), worse, better, r.plural(len(comparison.only_a), "figure") + " of A",
        r.plural(len(comparison.only_b), "figure") + " of B")


# ---------------------------------------------------------------- text

def write(text=""):
    print(text.replace("\u00a0", " "))


def write_changes(title, changes):
    if not changes:
        return
    write("\n" + title)
    width = min(max(len(change.what()) for change in changes), 88)
    write("  %-*s %16s %16s %8s %6s  %s" % (width, "", "A", "B", "change", "noise", "of the limit"))
    for change in changes:
        limit = "%s > %s" % tuple(r.percent(part) for part in change.of_limit) if all(
            r.number(part) for part in change.of_limit) else ""
        write(("  %-*s %16s %16s %+7.0f%% %6s  %s" % (
            width, change.what(), r.value_text(change.a.value, change.a.unit),
            r.value_text(change.b.value, change.b.unit), 100 * change.part,
            change.noise_text().replace("\u00a0", ""), limit)).rstrip())


def write_text(comparison):
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        write("%s: %s (commit %s, %s, %s)" % (letter, side.name(), side.header.get("commit", "unknown"),
                                             side.header.get("cpu", "unknown processor"), side.runs[0].date()))
    for warning in comparison.warnings():
        write("warning: " + warning)
    for better in (False, True):
        for place, title in PLACES:
            write_changes("%s, %s" % ("better" if better else "worse", title), comparison.of(place, better))
    write_changes("the machine itself differs (what follows is no tree's)", comparison.yardsticks())
    verdicts = comparison.verdicts()
    if verdicts:
        write("\nbounds with another verdict")
        for what, a, b in verdicts:
            write("  %-72s %s %s > %s %s" % (what, r.short(a.get("value")), a.get("verdict"), r.short(b.get("value")),
                                            b.get("verdict")))
    for letter, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            write("\nin %s only" % letter)
            for name in names:
                write("  " + name)
    write("\n" + summary_text(comparison))


# ---------------------------------------------------------------- the page

def bar(change):
    """From the middle: to the right what is better; the ends stand for twice as good and half as good, or beyond."""
    part = min(change.size, 1.0) * 50
    left = 50 if change.better else 50 - part
    kind = "good" if change.better else "bad"
    return page.Markup('<span class="bar %s" aria-hidden="true"><i style="left:%.1f%%;width:%.1f%%"></i>'
                       '<b style="left:calc(50%% - 1px)"></b></span>' % (kind, left, part))


def change_table(changes, title):
    limited = any(all(r.number(part) for part in change.of_limit) for change in changes)
    lines = []
    for change in changes:
        line = [page.joined([page.element("strong", change.row.measure.replace("_", " ")), " ",
                             r.identity_text(change.identity) + (", " + change.name.replace("_", " ") if change.name
                                                                 else "")]),
                page.Number("%+.0f\u00a0%%" % (100 * change.part)),
                page.Number(r.value_text(change.a.value, change.a.unit)),
                page.Number(r.value_text(change.b.value, change.b.unit)), page.Number(change.noise_text()),
                bar(change)]
        if limited:
            line.append(page.Number("%s \u2192 %s" % tuple(r.percent(part) for part in change.of_limit)
                                    if all(r.number(part) for part in change.of_limit) else ""))
        lines.append(line)
    heads = ["figure", page.Number("change"), page.Number("A"), page.Number("B"), page.Number("noise"),
             "worse | better"] + ([page.Number("of the limit")] if limited else [])
    return page.table(heads, [(None, lines)], title)


def headers_table(comparison):
    names = [name for name in comparison.a.header if name not in ("measure", "dir")]
    lines = [["runs", comparison.a.name(), comparison.b.name()]]
    for name in names:
        values = [" / ".join(sorted({r.count(run.header.get(name)) if name in run.header else "\u2013"
                                     for run in side.runs})) for side in (comparison.a, comparison.b)]
        lines.append([name.replace("_", " ")] + [
            value if values[0] == values[1] else page.element("strong", value) for value in values])
    return page.table(["", "A", "B"], [(None, lines)], "The two runs; what differs is bold")


def make_page(comparison):
    told = [page.paragraph(warning[0].upper() + warning[1:] + ".", "warning") for warning in comparison.warnings()]
    head = page.element("header", page.joined(
        [page.element("h1", "Two runs of the RotorTree benchmark"),
         page.paragraph(summary_text(comparison) + ".", "lead")] + told + [headers_table(comparison)]))
    main = []
    for better in (False, True):
        tables = [change_table(comparison.of(place, better), title.capitalize()) for place, title in PLACES
                  if comparison.of(place, better)]
        name = "better" if better else "worse"
        main.append(page.section(name, name.capitalize(), tables or [page.paragraph("Nothing beyond noise.", "note")]))
    if comparison.yardsticks():
        main.append(page.section("machine", "The machine itself", [
            page.paragraph("What no tree has a part in; where this differs, so does the machine or its load.", "lead"),
            change_table(comparison.yardsticks(), "Yardsticks")]))
    if comparison.verdicts():
        lines = [[what, page.Number(r.short(a.get("value"))), a.get("verdict").lower(),
                  page.Number(r.short(b.get("value"))),
                  page.element("span", b.get("verdict").lower(),
                               class_="good" if b.get("verdict") == "reached" else "bad")]
                 for what, a, b in comparison.verdicts()]
        main.append(page.section("bounds", "Bounds with another verdict", [page.table(
            ["what", page.Number("A"), "", page.Number("B"), ""], [(None, lines)], "Bounds")]))
    if comparison.only_a or comparison.only_b:
        main.append(page.section("only", "In one run only", [
            page.details("In %s only: %d" % (letter, len(names)), page.element("ul", page.joined(
                page.element("li", name) for name in names)))
            for letter, names in (("A", comparison.only_a), ("B", comparison.only_b)) if names]))
    everything = [page.details(title.capitalize(), change_table([
        change for change in comparison.changes if change.row.place() == place], title.capitalize()))
        for place, title in PLACES if any(change.row.place() == place for change in comparison.changes)]
    main.append(page.section("all", "All figures of both runs", everything))
    main.append(page.section("rule", "What is noise", [page.paragraph(
        "A change is real where the larger median over the smaller, less one, is above a floor (5 % from 5 samples on "
        "and for memory, 10 % from 3 on, else 20 %) and either above half of max less min over the median in both "
        "runs, or the samples of the runs do not overlap (apart). A machine that is slower an hour later is not in the "
        "spread of a run: see the yardsticks, and the part of the limit, which was measured beside each figure.")]))
    return page.page("Two runs of the RotorTree benchmark", [head, page.element("main", page.joined(main))])


def main(arguments):
    out = None
    files = list(arguments)
    if "--html" in files:
        at = files.index("--html")
        if at + 1 < len(files):
            out = files[at + 1]
        del files[at:at + 2]
    if len(files) != 2 or any(name.startswith("--") for name in files) or ("--html" in arguments and not out):
        print("usage: ./dev bench --compare A.jsonl[,A2.jsonl...] B.jsonl[,B2.jsonl...] [--html OUT.html]",
              file=sys.stderr)
        return 2
    sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        comparison = Comparison(*[Side(name.split(",")) for name in files])
    except r.BadInput as error:
        print("bench --compare: %s" % error, file=sys.stderr)
        return 2
    write_text(comparison)
    if out:
        failure = page.save(out, make_page(comparison))
        if failure:
            print("bench --compare: %s" % failure, file=sys.stderr)
            return 1
        write("the page is %s" % out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
