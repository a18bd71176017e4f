"""The look of the benchmark's pages: one style sheet, and the pieces of HTML that the pages are put together from.

Pages are well-formed XML as well as HTML, name nothing outside of themselves, run no script, and follow the reader's
choice of a light or a dark page. The four colours of series differ by at least 25 (CIE 1976) from each other as normal
eyes and as protan, deutan and tritan ones see them, and stand out from the paper by at least 4.5 to 1; good and bad are
blue and red for the same reason.
"""
import os
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --muted: #57606a; --grid: #e1e5ea; --soft: #f5f7f9;
  --c1: #143a75; --c2: #b04a06; --c3: #12866c; --c4: #b840c0; --good: #006b8f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6eaef; --muted: #9aa5b1; --grid: #2d343c;
  --soft: #1c2127; --c1: #abd6f5; --c2: #ef7f22; --c3: #2fe29c; --c4: #d468e6; --good: #5cc8f0; --bad: #ff8a80; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 72rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 3rem 0 .3rem; padding-top: .8rem;
  border-top: 1px solid var(--grid); }
h3 { font-size: 1rem; line-height: 1.35; margin: 0 0 .3rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
a { color: var(--c1); }
.lead, .note { color: var(--muted); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; margin: .8rem 0; padding: 0; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0; }
dl.facts dt { color: var(--muted); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 2rem 2.5rem;
  margin-top: 1.2rem; align-items: start; }
figure { margin: 0; min-width: 0; max-width: 36rem; }
figure svg { display: block; width: 100%; height: auto; font-family: inherit; }
figcaption { margin: .3rem 0 .4rem; }
@media (min-width: 64rem) {
  dl.facts { grid-template-columns: max-content 1fr max-content 1fr; }
  .charts > figure:only-child { max-width: none; display: grid; grid-template-columns: minmax(0, 36rem) minmax(0, 1fr);
    grid-template-rows: auto auto 1fr; column-gap: 2.5rem; }
  .charts > figure:only-child h3 { grid-column: 1 / 3; }
  .charts > figure:only-child svg { grid-row: 2 / 4; } }
summary { cursor: pointer; color: var(--muted); }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .875rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding: .2rem 0 .3rem; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
th { font-weight: 600; }
thead th { color: var(--muted); vertical-align: bottom; }
td:first-child:not(.n) { min-width: 9rem; }
td.n, th.n { text-align: right; white-space: nowrap; }
@media (max-width: 40rem) { .bounds td.n { white-space: normal; } }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.bar { display: inline-block; position: relative; width: 9rem; height: .7rem; background: var(--soft);
  border: 1px solid var(--grid); vertical-align: middle; }
.bar i { position: absolute; top: 0; bottom: 0; background: currentColor; }
.bar b { position: absolute; top: -.2rem; bottom: -.2rem; width: 0; border-left: 2px solid var(--ink); }
.warning { border-left: 4px solid var(--bad); padding: .2rem 0 .2rem .8rem; }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --muted: #444; --grid: #ccc; --soft: #f2f2f2;
  --c1: #143a75; --c2: #b04a06; --c3: #12866c; --c4: #b840c0; --good: #006b8f; --bad: #b3261e; }
  body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; } .scroll { overflow: visible; }
  figure, tr, h2, h3 { break-inside: avoid; } h2, h3, .lead, caption, thead { break-after: avoid; }
  .charts { grid-template-columns: 1fr 1fr; }
  table { font-size: 7.5pt; } th, td { padding-right: .5rem; } figure details { display: none; }
  details::details-content { content-visibility: visible; display: block; height: auto; } }
"""


class Markup(str):
    """Text that is markup already."""


def text(value):
    return value if isinstance(value, Markup) else escape(str(value), quote=False)


def element(tag, content, **attributes):
    written = "".join(' %s="%s"' % (name.rstrip("_").replace("_", "-"), escape(str(value)))
                      for name, value in attributes.items() if value is not None)
    return Markup("<%s%s>%s</%s>" % (tag, written, text(content), tag))


def joined(pieces, between=""):
    return Markup(between.join(text(piece) for piece in pieces))


def paragraph(content, kind=None):
    return element("p", content, class_=kind)


def details(summary, content):
    return element("details", joined([element("summary", summary), content]))


class Number(str):
    """A cell that is aligned right."""


def cell(tag, value, **more):
    return element(tag, value, class_="n" if isinstance(value, Number) else None, **more)


def table(heads, groups, name, kind=None):
    """groups: (title or None, rows of cells). A head that is a Number stands over numbers."""
    head = element("thead", element("tr", joined(cell("th", value, scope="col") for value in heads)))
    bodies = []
    for title, lines in groups:
        written = [element("tr", joined(cell("td", value) for value in line)) for line in lines]
        if title is not None:
            written.insert(0, element("tr", element("th", title, scope="rowgroup", colspan=len(heads))))
        bodies.append(element("tbody", joined(written)))
    whole = element("table", joined([element("caption", name), head] + bodies), class_=kind)
    # What is wider than a phone scrolls by itself, from the keyboard too.
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=name)


def facts(pairs):
    return element("dl", joined(joined([element("dt", name), element("dd", value)]) for name, value in pairs),
                   class_="facts")


def figure(name, title, svg, caption, numbers):
    return element("figure", joined([element("h3", title), Markup(svg), element("figcaption", caption),
                                     details("The numbers", numbers)]), id="chart-" + name)


def section(name, title, content):
    return element("section", joined([element("h2", title)] + list(content)), id=name)


def page(title, body):
    return ('<!DOCTYPE html>\n<html lang="en" xmlns="http://www.w3.org/1999/xhtml">\n<head>\n<meta charset="utf-8" />\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
            '<meta http-equiv="Content-Security-Policy" '
            'content="default-src \'none\'; style-src \'unsafe-inline\'" />\n'
            "<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n%s\n</body>\n</html>\n"
            % (text(title), STYLE.replace("<", "").replace("&", ""), "\n".join(text(piece) for piece in body)))


def save(path, written):
    """Writes the page, into a folder that is made if need be; returns what is in the way of that, or None."""
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(written)
    except OSError as error:
        return "%s: %s" % (path, error.strerror)
    return None
