"""The report as one HTML page that needs nothing else: pictures, the same figures as tables, words.

Nothing on it is loaded from anywhere, which its content policy says to the browser as well. All
text from outside is escaped, wherever it came from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from shared.curves.curveset import CurveSet
from shared.frequency import word
from shared.report.material import Material
from shared.report.past_plots import decomposition, fit, shares
from shared.report.plan_plots import allocation, budget, responses, returns
from shared.report.plot import (
    ACCENT,
    BASE,
    GRID,
    INK,
    MUTED,
    PAPER,
    SPAN,
    Cell,
    FigureTable,
    Missing,
    Plot,
    Share,
    amount,
    percent,
    svg,
)

__all__ = ["PLOTS", "data_section", "page"]

PLOTS: dict[str, Callable[[Material], Plot | Missing]] = {
    "allocation": allocation,
    "responses": responses,
    "budget": budget,
    "shares": shares,
    "decomposition": decomposition,
    "fit": fit,
    "returns": returns,
}
"""All pictures by name, in the order in which a reader wants them."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'"

PLANNED = ("allocation", "responses", "budget")
"""The pictures of each part of the page, by name."""
PAST = ("shares", "decomposition")

NOT_FITTED = "These curves were not fitted here: there is nothing to check them by."

SCORES = (
    ("rolling_origin", "this model, forecasting"),
    ("holdout", "this model, last quarter only"),
    ("naive", "seasonal naive forecast"),
    ("constant", "always the mean"),
    ("fit", "this model, fitted to all"),
)

# Legible by day and by night, on a phone and on paper.
_CSS = """
:root { --ink: #1f2430; --muted: #5b6472; --grid: #dde1e7; --paper: #fefefe; --span: #e3e7ee;
  --page: #f5f6f8; --link: #0b5cad; --warn: #8a4b00; --accent: #0072b2; --base: #c3c9d2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --muted: #a2abb8; --grid: #363d49;
  --paper: #171b22; --span: #2a303b; --page: #0e1116; --link: #7db8f5; --warn: #f0b45a;
  --accent: #3a96d6; --base: #444d5a; } }
* { box-sizing: border-box; }
html { color-scheme: light dark; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 1rem; }
header, nav, section { background: var(--paper); border: 1px solid var(--grid); border-radius: 8px;
  padding: 1rem 1.25rem; margin: 0 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0;
  padding: 0; list-style: none; }
.headline { font-size: 1.1rem; font-weight: 600; margin: 0 0 1rem; }
.missing { color: var(--muted); font-style: italic; }
.verdict { font-weight: 600; }
.bad { color: var(--warn); }
p, li, dd, figcaption { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: .5rem 1.25rem; margin: 0 0 .75rem; }
dt { color: var(--muted); font-size: .85rem; }
dd { margin: 0; }
figure { margin: 0 0 1rem; }
.picture { overflow-x: auto; }
.picture svg { display: block; width: 100%; min-width: 620px; height: auto; }
figcaption { color: var(--muted); font-size: .88rem; margin-top: .5rem; }
.table { overflow-x: auto; margin: 0 0 .75rem; }
table { border-collapse: collapse; font-size: .85rem; width: 100%;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { text-align: right; padding: .25rem .4rem; border-bottom: 1px solid var(--grid);
  vertical-align: top; }
thead th { vertical-align: bottom; color: var(--muted); font-weight: 600; font-size: .8rem; }
th:first-child { text-align: left; }
tbody th { font-weight: 500; min-width: 6.5rem; max-width: 16rem; overflow-wrap: anywhere; }
td { white-space: nowrap; }
.text { text-align: left; }
td.text { white-space: normal; }
details { margin: 0 0 .5rem; }
summary { cursor: pointer; color: var(--link); font-size: .9rem; }
@media print {
  :root { --ink: #000; --muted: #444; --grid: #ccc; --paper: #fff; --span: #e3e7ee; --page: #fff;
    --accent: #0072b2; --base: #c3c9d2; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav, details { display: none; }
  header, section { border: 0; padding: 0; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .picture, .table { overflow: visible; }
  .picture svg { min-width: 0; }
  table { font-size: 7.5pt; }
}
"""

TEXT = ' class="text"'
THEMED = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    PAPER: "paper",
    SPAN: "span",
    ACCENT: "accent",
    BASE[0]: "base",
}
"""Colours of a picture that the page decides: other ones by day and by night."""


def page(material: Material, adopted: Sequence[str] = ()) -> str:
    """The whole report; ``adopted`` are sentences about plans that were."""
    plots = {name: make(material) for name, make in PLOTS.items()}
    curves = material.curves
    title = f"Budget report: {curves.dataset}" if curves.dataset else "Budget report"
    body = [
        _head(material, title),
        _nav(plots.values()),
        _plan(material),
        *(_picture(plots[name]) for name in PLANNED),
        *(_picture(plots[name]) for name in PAST),
        _picture(plots["fit"]),
        _fit_section(curves),
        _picture(plots["returns"]),
        data_section(curves),
        *([_anchored("adopted", "Adopted plans", _bullets(adopted))] if adopted else []),
        _certificate(material),
        _warnings(material),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(material: Material, title: str) -> str:
    curves, rows = material.curves, material.curves.diagnostics.get("rows") or {}
    known = [
        ("Curves", curves.version),
        ("Stored", curves.created_at[:16].replace("T", " ") + " UTC" if curves.created_at else ""),
        ("Outcome", f"{material.outcome} per {material.period}"),
        ("Money", curves.currency or "the history's own unit"),
        ("Channels", str(len(material.problem.channels))),
    ]
    if rows:
        known.append(("History", f"{rows['first']} to {rows['last']}"))
    return f"<header><h1>{escape(title)}</h1>{_facts(known)}</header>"


def _nav(plots: Iterable[Plot | Missing]) -> str:
    ends = [("certificate", "Certificate"), ("warnings", "Warnings")]
    links = [("plan", "The plan"), *((plot.name, plot.title) for plot in plots)]
    links += [("checks", "Checks of the fit"), ("data", "What the data can show"), *ends]
    items = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _plan(material: Material) -> str:
    totals = material.answer["totals"]
    # The verdict says of trust what an explanation would begin with.
    told = [item for item in material.answer["explanation"] if item["code"] != "low_trust"]
    first, rest = told[:1], told[1:]
    limits = [(price["name"], price["value"]) for price in material.answer["shadow_prices"]]
    head = ("limit in force", f"{material.outcome_short} from one more unit of it")
    held = _table(FigureTable("What holds the plan", head, tuple(limits))) if limits else ""
    headline = _verdict(material)
    headline += "".join(f'<p class="headline">{escape(item["text"])}</p>' for item in first)
    unit = f"{material.money} per {material.period}"
    cards = [
        *((("Now", f"the mean of {over}"),) if (over := material.now) else ()),
        ("Spend", f"{amount(totals['spend'])} {unit}"),
        (f"Expected {material.outcome}", _with_interval(totals, "outcome", "outcome_interval")),
        ("More than now", _with_interval(totals, "uplift", "uplift_interval", signed=True)),
        ("Better than now", f"in {percent(totals['probability_better'])} of the draws"),
    ]
    if totals["probability_better"] is None:
        cards[-1] = ("Better than now", "how surely is not known: the curves carry no draws")
    sentences = _bullets([item["text"] for item in rest])
    return _anchored("plan", "The plan", headline + _facts(cards) + sentences + held)


def _verdict(material: Material) -> str:
    """How far to go by the plan, said before any of its figures."""
    trust, told = material.answer["trust"], material.curves.diagnostics
    said = []
    if told.get("promote") is False:
        said.append("These curves did not pass the gate: do not plan by them.")
    if trust is not None:
        said += [trust["step"]["text"]] if trust["step"] else []
        said.append(trust["text"])
    sure = not said or (trust is not None and (trust["step"] or {}).get("advice") == "move")
    kind = "verdict" if sure and told.get("promote") is not False else "verdict bad"
    return "".join(f'<p class="{kind}">{escape(text)}</p>' for text in said)


def _with_interval(totals: Mapping[str, Any], key: str, span: str, *, signed: bool = False) -> str:
    if totals[key] is None:
        return "not known"
    text = f"{'+' if signed and totals[key] > 0 else ''}{amount(totals[key])}"
    ends = totals[span]
    return text if ends is None else f"{text} (90 %: {amount(ends[0])} to {amount(ends[1])})"


def _picture(plot: Plot | Missing) -> str:
    if isinstance(plot, Missing):
        return _anchored(plot.name, plot.title, f'<p class="missing">{escape(plot.why)}</p>')
    tables = "".join(_table(item) for item in plot.tables)
    figure = (
        f'<figure><div class="picture">{_embedded(svg(plot), plot)}</div>'
        f"<figcaption>{escape(plot.note)}</figcaption></figure>"
    )
    return _anchored(plot.name, plot.title, figure + tables)


def _certificate(material: Material) -> str:
    proof = material.answer["certificate"]
    bound = proof.get("upper_bound", proof.get("lower_bound"))
    gap = proof["relative_gap"]
    known = [
        ("Expected by the plan", f"{proof['objective']:,.6g}"),
        ("No plan can have more than", "–" if bound is None else f"{bound:,.6g}"),
        ("Relative gap", "–" if gap is None else f"{gap:.2g}"),
        ("Proven", "yes" if proof["proven"] else "no"),
        ("Method", f"{proof['method']}: {proof['method_reason']}"),
        ("Largest violation of a limit", f"{proof['max_constraint_violation']:.2g}"),
    ]
    text = (
        "<p>The bound was computed apart from the solver, by code that shares nothing with it. It "
        "is about the curves as they were fitted: it does not make them true.</p>"
    )
    return _anchored("certificate", "Certificate", text + _facts(known))


def _warnings(material: Material) -> str:
    plan = [item["message"] for item in material.answer["warnings"]]
    told = _messages(material.curves.diagnostics.get("warnings"))
    fitted = [message for message in told if message not in plan]
    imported = material.curves.diagnostics.get("imported") or {}
    parts = [("Of the plan", plan), ("Of the fit", fitted)]
    parts.append(("Of the import", [str(note) for note in imported.get("notes") or ()]))
    body = "".join(f"<h3>{title}</h3>{_bullets(told)}" for title, told in parts if told)
    return _anchored("warnings", "Warnings", body or "<p>There are none.</p>")


def _messages(rows: Any) -> Sequence[str]:
    return [str(row["message"]) for row in rows or () if isinstance(row, Mapping)]


def _fit_section(curves: CurveSet) -> str:
    """The gate's verdict, the scores behind it, and how stable and how calibrated the fit is."""
    told = curves.diagnostics
    if "promote" not in told:
        return _anchored("checks", "Checks of the fit", f'<p class="missing">{NOT_FITTED}</p>')
    if told["promote"]:
        verdict = '<p class="verdict">The fit passed the gate: it may be planned with.</p>'
    else:
        verdict = '<p class="verdict bad">The fit did not pass the gate.</p>'
    body = verdict + _bullets([str(reason) for reason in told.get("reasons") or ()])
    trust = told.get("trust")
    if trust:
        body += f"<h3>Trust</h3><p>{escape(trust['text'])}</p>"
        body += _bullets([part["text"] for part in trust["parts"]])
    body += _scores(told, curves.outcome)
    body += _collinear(told)
    return _anchored("checks", "Checks of the fit", body)


def _scores(told: Mapping[str, Any], outcome: str) -> str:
    rows: list[tuple[Cell, ...]] = []
    for key, name in SCORES:
        found = told.get(key)
        if isinstance(found, Mapping):
            rows.append(
                (
                    name,
                    float(found["rows"]),
                    found["rmse"],
                    Share(found["nrmse"]),
                    found["r2"],
                    Share(found["coverage_90"]),
                )
            )
    if not rows:
        return ""
    head = (
        "",
        "periods",
        f"typical error ({outcome})",
        "of the mean",
        "R²",
        "held by 90 % intervals",
    )
    return _table(
        FigureTable("Errors on periods that the fit had not seen, and on all", head, tuple(rows))
    )


def _collinear(told: Mapping[str, Any]) -> str:
    groups = [
        f"{', '.join(row['channels'])} cannot be told apart (correlation {row['correlation']:.2f})."
        for row in told.get("collinear") or ()
    ]
    return _bullets(groups)


def data_section(curves: CurveSet) -> str:
    """The data report: its verdict, why, what would help, and channel by channel."""
    found = curves.diagnostics.get("data_report")
    title = "What the data can show"
    if not isinstance(found, Mapping):
        text = "There is no data report: these curves did not come from a history uploaded here."
        return _anchored("data", title, f'<p class="missing">{text}</p>')
    verdict = str(found["verdict"])
    kind = "verdict" if verdict == "enough" else "verdict bad"
    body = f'<p class="{kind}">Verdict on the history: {escape(verdict)}.</p>' + _bullets(
        _texts(found["why"])
    )
    if found.get("would_help"):
        body += "<h3>What would help</h3>" + _bullets(_texts(found["would_help"]))
    body += _coverage(found, word(curves.frequency))
    tests = [str(row["text"]) for row in found.get("lift_tests") or ()]
    if tests:
        body += "<h3>Lift tests, as they were read</h3>" + _bullets(tests)
    findings = [str(row["message"]) for row in found.get("findings") or ()]
    if findings:
        body += "<h3>Worth knowing</h3>" + _bullets(findings)
    return _anchored("data", title, body)


def _texts(told: Any) -> list[str]:
    return [told] if isinstance(told, str) else [str(text) for text in told or ()]


def _coverage(found: Mapping[str, Any], period: str) -> str:
    rows: list[tuple[Cell, ...]] = []
    for row in found.get("channels") or ():
        test = row.get("lift_test")
        rows.append(
            (
                row["channel"],
                Share(row["share_of_spend"]),
                Share(row["periods_with_spend"]),
                Share((row.get("foretold_by") or {}).get("all")),
                row.get("smallest_visible_return"),
                "yes" if row.get("can_be_seen") else "no",
                ""
                if test is None
                else f"{test['spend_change']:,.0f} over {test['periods']} {period}s",
            )
        )
    if not rows:
        return ""
    head = (
        "channel",
        "share of the money",
        "periods with spend",
        "spend foretold by other columns",
        "smallest return that could be seen",
        "can be seen",
        "lift test that would show it",
    )
    return _table(FigureTable("Channel by channel", head, tuple(rows)))


def _anchored(name: str, title: str, body: str) -> str:
    """A section that can be linked to; ``body`` is HTML."""
    return f'<section id="{escape(name)}"><h2>{escape(title)}</h2>{body}</section>'


def _bullets(sentences: Sequence[str]) -> str:
    """A list of plain sentences; nothing of none."""
    items = "".join(f"<li>{escape(text)}</li>" for text in sentences)
    return f"<ul>{items}</ul>" if items else ""


def _facts(known: Sequence[tuple[str, str]]) -> str:
    """Terms and what they are."""
    pairs = "".join(
        f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in known if text
    )
    return f"<dl>{pairs}</dl>"


def _table(told: FigureTable) -> str:
    """Amounts for reading, each with its exact value in ``<data value>``."""
    # A column that says nothing in any row is left out.
    used = [k for k in range(len(told.head)) if any(row[k] not in ("", None) for row in told.rows)]
    words = [k for k in used if all(isinstance(row[k], str) for row in told.rows)]
    head = "".join(
        f'<th scope="col"{TEXT if k in words else ""}>{escape(told.head[k])}</th>' for k in used
    )
    rows = []
    for full in told.rows:
        row = [full[k] for k in used]
        first, *rest = row
        cells = f'<th scope="row">{_cell(first)}</th>'
        cells += "".join(f"<td{_kind(cell)}>{_cell(cell)}</td>" for cell in rest)
        rows.append(f"<tr>{cells}</tr>")
    caption = escape(told.caption)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    if told.folded:
        summary = f"<summary>{caption}: {len(told.rows):,} rows</summary>"
        return (
            f'<details>{summary}<div class="table"><table aria-label="{caption}">{inner}</details>'
        )
    return f'<div class="table"><table><caption>{caption}</caption>{inner}'


def _kind(cell: Cell) -> str:
    return TEXT if isinstance(cell, str) else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    if isinstance(cell, Share):
        text = percent(cell.value, signed=cell.signed)
        return text if cell.value is None else f'<data value="{cell.value!r}">{text}</data>'
    return amount(None) if cell is None else f'<data value="{cell!r}">{amount(cell)}</data>'


def _embedded(document: str, plot: Plot) -> str:
    """An SVG document as an element of a page, in the page's colours, with its words for others."""
    start = document.index("<svg")
    opening, rest = document[start:].split(">", 1)
    # What is no picture stays out: metadata names the licence of no one and the day of drawing.
    rest = re.sub(r"<metadata>.*?</metadata>", "", rest, flags=re.DOTALL)
    rest = re.sub(r"<title>.*?</title>", "", rest, count=1, flags=re.DOTALL)
    for colour, name in THEMED.items():
        rest = rest.replace(colour, f"var(--{name})")
    names = f"{plot.name}-title {plot.name}-alt"
    opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
    return (
        f'{opening} role="img" aria-labelledby="{names}">'
        f'<title id="{plot.name}-title">{escape(plot.title)}</title>'
        f'<desc id="{plot.name}-alt">{escape(plot.alt)}</desc>{rest}'
    )
