"""What the checks say: whether the fit may be trusted, and what the history can show at all."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from shared.curves.curveset import CurveSet
from shared.report.markup import anchored, bullets, table
from shared.report.plot import Cell, Share, Table

__all__ = ["data_section", "fit_section"]

NOT_FITTED = "These curves were not fitted here: there is nothing to check them by."

SCORES = (
    ("rolling_origin", "this model, forecasting"),
    ("holdout", "this model, last quarter only"),
    ("naive", "seasonal naive forecast"),
    ("constant", "always the mean"),
    ("fit", "this model, fitted to all"),
)


def fit_section(curves: CurveSet) -> str:
    """The gate's verdict, the scores behind it, and how stable and how calibrated the fit is."""
    told = curves.diagnostics
    if "promote" not in told:
        return anchored("checks", "Checks of the fit", f'<p class="missing">{NOT_FITTED}</p>')
    if told["promote"]:
        verdict = '<p class="verdict">The fit passed the gate: it may be planned with.</p>'
    else:
        verdict = '<p class="verdict bad">The fit did not pass the gate.</p>'
    body = verdict + bullets([str(reason) for reason in told.get("reasons") or ()])
    body += _scores(told, curves.outcome)
    body += _collinear(told)
    return anchored("checks", "Checks of the fit", body)


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
    return table(
        Table("Errors on periods that the fit had not seen, and on all", head, tuple(rows))
    )


def _collinear(told: Mapping[str, Any]) -> str:
    groups = [
        f"{', '.join(row['channels'])} cannot be told apart (correlation {row['correlation']:.2f})."
        for row in told.get("collinear") or ()
    ]
    return bullets(groups)


def data_section(curves: CurveSet) -> str:
    """The data report: its verdict, why, what would help, and channel by channel."""
    found = curves.diagnostics.get("data_report")
    title = "What the data can show"
    if not isinstance(found, Mapping):
        text = "There is no data report: these curves did not come from a history uploaded here."
        return anchored("data", title, f'<p class="missing">{text}</p>')
    verdict = str(found["verdict"])
    kind = "verdict" if verdict == "enough" else "verdict bad"
    body = f'<p class="{kind}">Verdict on the history: {escape(verdict)}.</p>' + bullets(
        _texts(found["why"])
    )
    if found.get("would_help"):
        body += "<h3>What would help</h3>" + bullets(_texts(found["would_help"]))
    body += _coverage(found, curves)
    tests = [str(row["text"]) for row in found.get("lift_tests") or ()]
    if tests:
        body += "<h3>Lift tests, as they were read</h3>" + bullets(tests)
    findings = [str(row["message"]) for row in found.get("findings") or ()]
    if findings:
        body += "<h3>Worth knowing</h3>" + bullets(findings)
    return anchored("data", title, body)


def _texts(told: Any) -> list[str]:
    return [told] if isinstance(told, str) else [str(text) for text in told or ()]


def _coverage(found: Mapping[str, Any], curves: CurveSet) -> str:
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
                else f"{test['spend_change']:,.0f} over {test['periods']} {curves.frequency}s",
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
    return table(Table("Channel by channel", head, tuple(rows)))
