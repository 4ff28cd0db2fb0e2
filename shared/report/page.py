"""The report as one HTML page that needs nothing else: pictures, the same figures as tables, words.

Nothing on it is loaded from anywhere, which its content policy says to the browser as well. All
text from outside is escaped, wherever it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from shared.report.catalogue import PLOTS
from shared.report.judgement import data_section, fit_section
from shared.report.looks import CSS
from shared.report.markup import anchored, bullets, embedded, facts, table
from shared.report.material import Material
from shared.report.picture import svg
from shared.report.plot import Missing, Plot, amount, percent

__all__ = ["page"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'"

PLANNED = ("allocation", "responses", "budget")
PAST = ("shares", "decomposition")
LEARNED = ("fit", "returns")
"""The pictures of each part of the page, by name."""


def page(material: Material) -> str:
    """The whole report."""
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
        fit_section(curves),
        _picture(plots["returns"]),
        data_section(curves),
        _certificate(material),
        _warnings(material),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
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
    return f"<header><h1>{escape(title)}</h1>{facts(known)}</header>"


def _nav(plots: Iterable[Plot | Missing]) -> str:
    ends = [("certificate", "Certificate"), ("warnings", "Warnings")]
    links = [("plan", "The plan"), *((plot.name, plot.title) for plot in plots)]
    links += [("checks", "Checks of the fit"), ("data", "What the data can show"), *ends]
    items = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _plan(material: Material) -> str:
    told, totals = material.answer["explanation"], material.answer["totals"]
    first, rest = told[:1], told[1:]
    headline = "".join(f'<p class="headline">{escape(item["text"])}</p>' for item in first)
    unit = f"{material.money} per {material.period}"
    cards = [
        ("Spend", f"{amount(totals['spend'])} {unit}"),
        (f"Expected {material.outcome}", _with_interval(totals, "outcome", "outcome_interval")),
        ("More than now", _with_interval(totals, "uplift", "uplift_interval", signed=True)),
        ("Better than now", f"in {percent(totals['probability_better'])} of the draws"),
    ]
    if totals["probability_better"] is None:
        cards[-1] = ("Better than now", "how surely is not known: the curves carry no draws")
    sentences = bullets([item["text"] for item in rest])
    return anchored("plan", "The plan", headline + facts(cards) + sentences)


def _with_interval(totals: Mapping[str, Any], key: str, span: str, *, signed: bool = False) -> str:
    if totals[key] is None:
        return "not known"
    text = f"{'+' if signed and totals[key] > 0 else ''}{amount(totals[key])}"
    ends = totals[span]
    return text if ends is None else f"{text} (90 %: {amount(ends[0])} to {amount(ends[1])})"


def _picture(plot: Plot | Missing) -> str:
    if isinstance(plot, Missing):
        return anchored(plot.name, plot.title, f'<p class="missing">{escape(plot.why)}</p>')
    tables = "".join(table(item) for item in plot.tables)
    figure = (
        f'<figure><div class="picture">{embedded(svg(plot), plot)}</div>'
        f"<figcaption>{escape(plot.note)}</figcaption></figure>"
    )
    return anchored(plot.name, plot.title, figure + tables)


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
    return anchored("certificate", "Certificate", text + facts(known))


def _warnings(material: Material) -> str:
    plan = [item["message"] for item in material.answer["warnings"]]
    told = _messages(material.curves.diagnostics.get("warnings"))
    fitted = [message for message in told if message not in plan]
    imported = material.curves.diagnostics.get("imported") or {}
    parts = [("Of the plan", plan), ("Of the fit", fitted)]
    parts.append(("Of the import", [str(note) for note in imported.get("notes") or ()]))
    body = "".join(f"<h3>{title}</h3>{bullets(told)}" for title, told in parts if told)
    return anchored("warnings", "Warnings", body or "<p>There are none.</p>")


def _messages(rows: Any) -> Sequence[str]:
    return [str(row["message"]) for row in rows or () if isinstance(row, Mapping)]
