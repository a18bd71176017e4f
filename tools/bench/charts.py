"""Charts as SVG text that takes its colours, its font and its width from the page around it.

matplotlib (Debian: python3-matplotlib) draws: it is kept well, knows logarithmic axes, lays out without a browser, and
writes text as text. What it writes has one colour value for each role (ink, grid, series); they are replaced by CSS
variables here, so that one image serves a light page, a dark page and paper. Every chart is drawn as narrow as a phone.
Knows nothing of the benchmark's rows.
"""
import io
import math
import re
import textwrap
from xml.etree import ElementTree

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402 (the backend is chosen first)
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.ticker import (FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter,  # noqa: E402
                               NullLocator)

INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#0a0101", "#0a0202", "#0a0303", "#0a0404")
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper",
             SERIES[0]: "--c1", SERIES[1]: "--c2", SERIES[2]: "--c3", SERIES[3]: "--c4"}
# Told apart without colour too.
MARKERS = ("o", "s", "^", "D")
SVG = "http://www.w3.org/2000/svg"
WIDTH = 450
TEXT = 13

pyplot.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "rotortree", "font.family": "DejaVu Sans", "font.size": TEXT,
    "axes.edgecolor": MUTED, "axes.labelcolor": MUTED, "text.color": INK, "xtick.color": MUTED, "ytick.color": MUTED,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.linewidth": 1,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": GRID, "grid.linewidth": 1, "axes.axisbelow": True,
    "ytick.major.size": 0, "xtick.major.size": 4, "xtick.labelsize": TEXT, "ytick.labelsize": TEXT,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "lines.linewidth": 2.2, "lines.markersize": 6.5, "legend.frameon": False, "legend.fontsize": TEXT,
})


def plain(value, _position=None):
    """A label for an axis: 0.5, 20, 1k, 10M."""
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return "%g%s" % (value / scale, letter)
    return "%g" % value


def nanoseconds(value, _position=None):
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "\u00b5s")):
        if abs(value) >= scale * 0.9999:
            return "%g %s" % (value / scale, unit)
    return "%g ns" % value


def byte_counts(value, _position=None):
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= scale * 0.9999:
            return "%g %s" % (value / scale, unit)
    return "%g" % value


def parts(value, _position=None):
    return "%g %%" % (100 * value)


class Line:
    """One series: points (x, y, low, high), the last two None where no spread is known."""

    def __init__(self, label, points, colour, dash="-", marker=None):
        self.label, self.points, self.colour, self.dash = label, sorted(points, key=lambda p: p[0]), colour, dash
        self.marker = MARKERS[colour] if marker is None else marker


class Limit:
    """A horizontal line over the whole width: a colour's number, or None for muted."""

    def __init__(self, label, y, colour=None, dash=":"):
        self.label, self.y, self.colour, self.dash = label, y, colour, dash


def ink(colour):
    return MUTED if colour is None else SERIES[colour]


def new(height=300, left=52, right=20, top=34, bottom=52):
    figure = pyplot.figure(figsize=(WIDTH / 72, height / 72))
    axes = figure.add_axes((left / WIDTH, bottom / height, (WIDTH - left - right) / WIDTH,
                            (height - top - bottom) / height))
    return figure, axes


def name_axes(axes, x, y):
    """The vertical axis is named above it, where a name needs no turned head."""
    axes.set_xlabel(x, fontsize=TEXT)
    axes.annotate(y, (0, 1), xycoords=("figure fraction", "axes fraction"), xytext=(4, 12),
                  textcoords="offset points", color=MUTED, fontsize=TEXT, va="bottom", ha="left")


def log_ticks(axis, formatter, low, high):
    """As many ticks as their labels leave room for."""
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    box = axis.axes.bbox
    across = axis is axis.axes.xaxis
    room = (box.width if across else box.height) * 72 / axis.axes.figure.dpi / max(math.log10(high / low), 0.01)
    needed = 24 if not across else 40 if formatter is plain else 54
    subs = next((subs for gap, subs in ((0.22, (1.0, 2.0, 3.0, 5.0)), (0.3, (1.0, 2.0, 5.0)), (0.47, (1.0, 3.0)))
                 if room * gap >= needed), (1.0,))
    shown = max(2, int(room * max(math.log10(high / low), 0.01) / needed)) if len(subs) == 1 else 12
    axis.set_major_locator(LogLocator(base=10, subs=subs, numticks=shown))
    axis.set_major_formatter(FuncFormatter(formatter))


def spread_labels(wanted, gap, low, high):
    """Places as near as can be to those wanted (in one dimension), none closer to another than gap."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [wanted[i] for i in order]
    for _ in range(200):
        moved = False
        for i in range(len(places) - 1):
            lack = gap - (places[i + 1] - places[i])
            if lack > 0.01:
                places[i] -= lack / 2
                places[i + 1] += lack / 2
                moved = True
        places = [min(max(place, low), high) for place in places]
        if not moved:
            break
    result = [0.0] * len(wanted)
    for position, i in enumerate(order):
        result[i] = places[position]
    return result


def label_ends(axes, ends):
    """ends: (text, y, colour), written right of the axes, beside where their lines end."""
    if not ends:
        return
    axes.figure.canvas.draw()
    scale = 72 / axes.figure.dpi
    height = axes.bbox.height * scale
    wanted = [(axes.transData.transform((1, y))[1] - axes.bbox.y0) * scale for _, y, _ in ends]
    places = spread_labels(wanted, TEXT * 1.2, 0, height)
    for (text, _, colour), place in zip(ends, places):
        axes.annotate(text, (1, 0), xycoords="axes fraction", xytext=(7, place), textcoords="offset points",
                      color=ink(colour), va="center", ha="left", fontsize=TEXT, fontweight="bold")


def legend_columns(names):
    """As many as fit beside each other; of four that do not, two and two."""
    if sum(len(name) * 7.2 + 42 for name in names) < WIDTH:
        return len(names)
    return 3 if len(names) == 3 and sum(len(name) for name in names) < 48 else 2


def legend_space(names):
    if not names:
        return 0
    columns = legend_columns(names)
    return 20 * ((len(names) + columns - 1) // columns) + 2


def legend(axes, handles, names):
    """Above the name of the vertical axis, from the left edge of the drawing."""
    if not names:
        return
    height = axes.bbox.height * 72 / axes.figure.dpi
    left = axes.bbox.x0 * 72 / axes.figure.dpi
    width = axes.bbox.width * 72 / axes.figure.dpi
    axes.legend(handles, names, loc="lower left", bbox_to_anchor=((3 - left) / width, 1 + 34 / height),
                ncol=legend_columns(names), handlelength=1.5, columnspacing=1.2, handletextpad=0.45, borderpad=0,
                borderaxespad=0)


def top_of(points):
    """A linear axis reaches beyond the largest value, but not to an outlier that would press all else flat."""
    return 1.08 * min(max(max(value, high or 0) for value, high in points), 1.5 * max(value for value, _ in points))


def draw_spread(axes, x, low, high, top, **how):
    """From min to max; where it leaves the drawing it ends in an arrow."""
    axes.plot([x, x], [low, min(high, top)], **how)
    if high > top:
        axes.plot([x], [top], marker="^", markersize=6, clip_on=False, color=how["color"], zorder=5)


def scale_axis(axes, axis, log, formatter, values, top=None):
    if not log:
        if axis is axes.yaxis:
            axes.set_ylim(0, top)
        axis.set_major_formatter(FuncFormatter(formatter))
        return
    low, high = min(v for v in values if v > 0), max(values)
    if axis is axes.yaxis:
        axes.set_yscale("log")
        low, high = low / 1.35, high * 1.35
        axes.set_ylim(low, high)
    else:
        axes.set_xscale("log")
    log_ticks(axis, formatter, low, high)


def draw_line(axes, line):
    for x, _, low, high in line.points:
        if low is not None and high is not None:
            draw_spread(axes, x, low, high, axes.get_ylim()[1], color=ink(line.colour), linewidth=1.2, alpha=0.6,
                        zorder=2)
    axes.plot([p[0] for p in line.points], [p[1] for p in line.points], color=ink(line.colour), linestyle=line.dash,
              linewidth=1.6 if line.dash != "-" else None, marker=line.marker, markeredgecolor=PAPER,
              markeredgewidth=1, zorder=3)


def lines(series, limits, x_name, y_name, x_log=True, y_log=False, x_format=plain, y_format=plain, x_ticks=None,
          y_top=None, kinds=(), names_above=False, right=70, height=310, left=52):
    """kinds: (name, dash), what broken lines mean. names_above: series are named there, not at their ends."""
    named = [line for line in series if line.label] if names_above else []
    names = [line.label for line in named] + [name for name, _ in kinds]
    figure, axes = new(height, left=left, right=22 if names_above else right, top=36 + legend_space(names))
    if x_log:
        for line in series:
            line.points = [p for p in line.points if p[0] > 0]
    values = [v for line in series for p in line.points for v in (p[1], p[2], p[3]) if v is not None]
    points = [(p[1], p[3]) for line in series for p in line.points]
    top = y_top or top_of(points + [(limit.y, None) for limit in limits])
    scale_axis(axes, axes.yaxis, y_log, y_format, values + [limit.y for limit in limits], top)
    scale_axis(axes, axes.xaxis, x_log, x_format, [p[0] for line in series for p in line.points])
    for limit in limits:
        axes.axhline(limit.y, color=ink(limit.colour), linestyle=limit.dash, linewidth=1.6, zorder=1.5)
    for line in series:
        draw_line(axes, line)
    if x_ticks is not None:
        axes.xaxis.set_major_locator(FixedLocator(x_ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(x_format))
    name_axes(axes, x_name, y_name)
    handles = [Line2D([], [], color=ink(line.colour), marker=line.marker, markeredgecolor=PAPER) for line in named]
    handles += [Line2D([], [], color=MUTED, linestyle=dash, linewidth=1.6) for _, dash in kinds]
    legend(axes, handles, names)
    label_ends(axes, [(line.label, line.points[-1][1], line.colour) for line in series
                      if line.label and line.points and not names_above] +
               [(limit.label, limit.y, limit.colour) for limit in limits if limit.label])
    return figure


def text_width(text):
    return sum(0.34 if c in ",. " else 0.64 for c in text)


def bar_number(axes, x, value, text, size, top, fits):
    """In the bar's head where there is room, so that it hides no limit; else above it."""
    if value > top * 0.14 and fits:
        axes.annotate(text, (x, value), xytext=(0, -4), textcoords="offset points", ha="center", va="top",
                      fontsize=size, color=PAPER, zorder=4)
    else:
        axes.annotate(text, (x, value), xytext=(0, 2), textcoords="offset points", ha="center",
                      va="bottom", fontsize=size, color=INK, zorder=4)


def bars(groups, series, values, y_name, limits=None, limit_name=None, y_format=plain, number=plain, height=310,
         line_at=None):
    """groups: names below; series: names; values[s][g]: (value, low, high) or None; limits[g]: a mark over it."""
    names = (list(series) if len(series) > 1 else []) + ([limit_name] if limit_name else [])
    figure, axes = new(height, right=8, top=36 + legend_space(names), bottom=30)
    width = 0.84 / max(len(series), 2)
    entries = [entry for row in values for entry in row if entry is not None]
    top = top_of([(entry[0], entry[2]) for entry in entries] + [(limit, None) for limit in limits or [] if limit] +
                 [(line_at or 0, None)])
    room = axes.bbox.width * 72 / figure.dpi / len(groups) * width * 0.92
    size = TEXT - 2 if len(groups) * len(series) > 8 else TEXT - 1
    for s, row in enumerate(values):
        for g, entry in enumerate(row):
            if entry is None:
                continue
            value, low, high = entry
            x = g + (s - (len(series) - 1) / 2) * width
            axes.bar(x, value, width * 0.92, color=SERIES[s], zorder=2)
            if low is not None and high is not None and high > low:
                # Beside the number, which stands in the middle.
                draw_spread(axes, x + width * 0.38, low, high, top, color=INK, linewidth=1.3, zorder=3)
            text = number(value)
            bar_number(axes, x, value, text, size, top, text_width(text) * size < room)
    for g, limit in enumerate(limits or []):
        if limit is not None:
            axes.plot([g - 0.45, g + 0.45], [limit, limit], color=INK, linestyle=":", linewidth=1.8, zorder=3)
    if line_at is not None:
        axes.axhline(line_at, color=INK, linestyle=":", linewidth=1.8, zorder=3)
    axes.set_ylim(0, top)
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.set_xticks(range(len(groups)))
    axes.set_xticklabels(groups)
    axes.tick_params(axis="x", length=0)
    axes.yaxis.set_major_formatter(FuncFormatter(y_format))
    name_axes(axes, "", y_name)
    handles = [Line2D([], [], color=SERIES[s], marker="s", linestyle="none", markersize=9)
               for s in range(len(series)) if len(series) > 1]
    if limit_name:
        handles.append(Line2D([], [], color=INK, linestyle=":", linewidth=1.8))
    legend(axes, handles, names)
    return figure


class Entry:
    """A named dot of rows(); limit: where its least possible value is marked, or None."""

    def __init__(self, name, value, low, high, text, colour=0, limit=None):
        self.name, self.value, self.low, self.high, self.text, self.colour = name, value, low, high, text, colour
        self.limit = limit


def rows(entries, x_name, x_format=nanoseconds, limit_name=None):
    """Dots on a logarithmic scale, with their names on the left and their values on the right."""
    space = 22 if limit_name else 0
    names = ["\n".join(textwrap.wrap(entry.name, 29)) for entry in entries]
    pitch = 36 if any("\n" in name for name in names) else 31
    left = min(max(len(line) for name in names for line in name.split("\n")) * 7.1 + 14, WIDTH * 0.49)
    figure, axes = new(62 + space + pitch * len(entries), left=left, right=70, top=10 + space, bottom=52)
    values = [v for entry in entries for v in (entry.value, entry.low, entry.high, entry.limit) if v]
    low, high = min(values), max(values)
    axes.set_xscale("log")
    margin = 10 ** (max(math.log10(high / low), 0.5) * 0.08)
    low, high = low / margin, high * margin
    axes.set_xlim(low, high)
    log_ticks(axes.xaxis, x_format, low, high)
    for i, entry in enumerate(entries):
        y = len(entries) - 1 - i
        if entry.low is not None and entry.high is not None:
            axes.plot([entry.low, entry.high], [y, y], color=ink(entry.colour), linewidth=1.6, alpha=0.7, zorder=2)
        if entry.limit:
            axes.plot([entry.limit] * 2, [y - 0.3, y + 0.3], color=INK, linewidth=2, zorder=2.5)
        axes.plot([entry.value], [y], color=ink(entry.colour), marker=MARKERS[entry.colour], markeredgecolor=PAPER,
                  markersize=8.5, zorder=3)
        axes.annotate(entry.text, (1, y), xycoords=("figure fraction", "data"), xytext=(-4, 0),
                      textcoords="offset points", va="center", ha="right", fontsize=TEXT, fontweight="bold")
        axes.annotate(names[i], (0, y), xycoords=("figure fraction", "data"), xytext=(4, 0),
                      textcoords="offset points", va="center", ha="left", fontsize=TEXT, linespacing=1.0)
    axes.set_ylim(-0.6, len(entries) - 0.4)
    axes.set_yticks(range(len(entries)))
    axes.set_yticklabels([""] * len(entries))
    axes.grid(True, axis="x")
    axes.set_xlabel(x_name, fontsize=TEXT)
    if limit_name:
        handle = Line2D([], [], color=INK, linestyle="none", marker="|", markersize=14, markeredgewidth=2)
        axes.legend([handle], [limit_name], loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, borderpad=0,
                    handletextpad=0.1)
    return figure


class Step:
    """A part of a time, for steps(); colour None is muted."""

    def __init__(self, name, value, text, colour=0):
        self.name, self.value, self.text, self.colour = name, value, text, colour


def steps(parts, x_name, x_format=nanoseconds, mark=None, mark_name=None):
    """A time as bars that each begin where the one before ended, names on the left, values on the right; `mark` is
    where the last one would have to end."""
    space = 22 if mark is not None else 0
    names = ["\n".join(textwrap.wrap(part.name, 24)) for part in parts]
    pitch = 34 if any("\n" in name for name in names) else 26
    left = min(max(len(line) for name in names for line in name.split("\n")) * 7.1 + 14, WIDTH * 0.43)
    figure, axes = new(62 + space + pitch * len(parts), left=left, right=76, top=10 + space, bottom=52)
    begins, end = [], 0.0
    for part in parts:
        begins.append(end)
        end += part.value
    low = min([0.0] + [begin + part.value for begin, part in zip(begins, parts)])
    high = max([end, mark or 0] + [begin + max(part.value, 0) for begin, part in zip(begins, parts)]) * 1.04
    for i, (begin, part) in enumerate(zip(begins, parts)):
        y = len(parts) - 1 - i
        axes.barh(y, part.value, left=begin, height=0.62, color=ink(part.colour), zorder=2)
        if i + 1 < len(parts):
            axes.plot([begin + part.value] * 2, [y - 0.31, y - 0.69], color=MUTED, linewidth=1, zorder=1.5)
        axes.annotate(part.text, (1, y), xycoords=("figure fraction", "data"), xytext=(-4, 0),
                      textcoords="offset points", va="center", ha="right", fontsize=TEXT, fontweight="bold")
        axes.annotate(names[i], (0, y), xycoords=("figure fraction", "data"), xytext=(4, 0),
                      textcoords="offset points", va="center", ha="left", fontsize=TEXT, linespacing=1.0)
    if mark is not None:
        axes.axvline(mark, color=INK, linestyle=":", linewidth=1.8, zorder=3)
        handle = Line2D([], [], color=INK, linestyle=":", linewidth=1.8)
        axes.legend([handle], [mark_name], loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, borderpad=0,
                    handletextpad=0.4)
    axes.set_xlim(low, high)
    axes.set_ylim(-0.6, len(parts) - 0.4)
    axes.set_yticks(range(len(parts)))
    axes.set_yticklabels([""] * len(parts))
    axes.grid(False, axis="y")
    axes.grid(True, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(x_format))
    axes.set_xlabel(x_name, fontsize=TEXT)
    return figure


def histogram(bounds, counts, marks, x_name, y_name, height=290):
    """Counts by upper bound, both axes logarithmic, as parts of the whole; marks: (text, x), the worst one last."""
    figure, axes = new(height, left=64, right=26, top=64)
    total = sum(counts)
    used = [i for i, c in enumerate(counts) if c > 0]
    first, last = used[0], used[-1]
    ratio = bounds[1] / bounds[0] if len(bounds) > 1 else 2
    edges = [bounds[first - 1] if first else bounds[0] / ratio] + list(bounds[first:last + 1])
    floor = 0.6 / total
    heights = [max(counts[i] / total, floor) for i in range(first, last + 1)]
    axes.fill_between(edges, heights + heights[-1:], floor, step="post", color=SERIES[0], linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = edges[0], max(edges[-1], marks[-1][1] if marks else 0)
    low, high = low / 1.1, high * 1.1
    axes.set_xlim(low, high)
    axes.set_ylim(floor, 1.3)
    log_ticks(axes.xaxis, nanoseconds, low, high)
    log_ticks(axes.yaxis, parts, floor, 1)
    name_axes(axes, x_name, "")
    axes.annotate(y_name, (0, 1), xycoords=("figure fraction", "axes fraction"), xytext=(4, 38),
                  textcoords="offset points", color=MUTED, fontsize=TEXT, va="bottom", ha="left")
    scale = 72 / figure.dpi
    figure.canvas.draw()
    # Names of percentiles that are close together would lie on each other in one row.
    ends = [-1e9, -1e9]
    for text, x in marks:
        axes.axvline(x, color=INK, linestyle=":", linewidth=1.5, zorder=4)
        at = axes.transData.transform((x, 1))[0] * scale
        half = len(text) * TEXT * 0.29
        row = 0 if at - half > ends[0] + 4 or ends[0] <= ends[1] else 1
        at = min(max(at, half, ends[row] + half + 4), WIDTH - half)
        ends[row] = at + half
        axes.annotate(text, (at / scale, 1), xycoords=("figure pixels", "axes fraction"), xytext=(0, 3 + 16 * row),
                      textcoords="offset points", ha="center", va="bottom", fontsize=TEXT - 1)
    return figure


# ---------------------------------------------------------------- from matplotlib's SVG to the page's

def style(value):
    value = re.sub(r"font: (bold |700 )?(\d+(?:\.\d+)?)px [^;]*", lambda m: "font-size:%spx%s" % (
        m.group(2), ";font-weight:600" if m.group(1) else ""), value)
    return re.sub("#[0-9a-f]{6}", colour, value)


def colour(match):
    value = match.group(0)
    if value not in VARIABLES:
        raise ValueError("a colour without a role in a chart: " + value)
    return "var(%s)" % VARIABLES[value]


def svg(figure, name, title, description):
    """The figure as an <svg> element for a page in which no other has this name."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    pyplot.close(figure)
    root = ElementTree.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", buffer.getvalue(), flags=re.S))
    for element in list(root):
        if element.tag.endswith("}metadata"):
            root.remove(element)
    used = set(re.findall(r"#([A-Za-z_][\w-]*)", " ".join(
        value for element in root.iter() for key_, value in element.attrib.items()
        if key_.endswith("href") or "url(" in value)))
    for element in root.iter():
        for attribute, value in list(element.attrib.items()):
            if attribute in ("d", "transform", "x", "y"):
                # A hundredth of a point is seen by nobody.
                element.set(attribute, re.sub(r"(\d+\.\d\d)\d+", r"\1", value))
            elif attribute.endswith("}href"):
                del element.attrib[attribute]
                element.set("href", "#%s-%s" % (name, value[1:]))
            elif attribute == "id":
                if value in used:
                    element.set("id", "%s-%s" % (name, value))
                else:
                    del element.attrib["id"]
            elif attribute == "style":
                element.set("style", style(value))
            elif "url(#" in value:
                element.set(attribute, value.replace("url(#", "url(#%s-" % name))
    width, height = root.get("viewBox").split()[2:]
    root.attrib.clear()
    root.set("viewBox", "0 0 %s %s" % (width, height))
    root.set("role", "img")
    root.set("aria-labelledby", "%s-title %s-desc" % (name, name))
    for tag, text in (("desc", description), ("title", title)):
        element = ElementTree.Element("{%s}%s" % (SVG, tag), {"id": "%s-%s" % (name, tag)})
        element.text = text
        root.insert(0, element)
    ElementTree.register_namespace("", SVG)
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))
