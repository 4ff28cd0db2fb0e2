"""What ``./run`` prints: answers of the service as text for people. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["certificate_lines", "money", "plan_table", "sentences", "truth_lines"]

_DASH = "–"


def money(value: float | None, *, signed: bool = False) -> str:
    """A readable amount: no cents from a thousand up, four figures below.

    >>> money(1234567.8), money(12.3456), money(None), money(-1500, signed=True), money(2e-7)
    ('1,234,568', '12.35', '–', '-1,500', '~0')
    """
    if value is None:
        return _DASH
    if value == 0:
        return "0"
    if abs(value) < 1e-4:
        return "~0"
    sign = "+" if signed else ""
    if abs(value) >= 999.95:
        return f"{value:{sign},.0f}"
    return f"{value:{sign},.4g}"


def plan_table(answer: Mapping[str, Any], currency: str | None, frequency: str) -> list[str]:
    """The allocation channel by channel, and its totals.

    Parameters
    ----------
    answer
        Of ``POST /optimize``.
    currency, frequency
        Of the curve set: what an amount is, and how long a period.
    """
    rows: list[Sequence[str]] = [
        (
            "channel",
            "now",
            "recommended",
            "change",
            "",
            "expected",
            "90 % interval",
            "marginal",
        )
    ]
    for row in answer["allocation"]:
        share = row["change_share"]
        marks = "*" if row["extrapolated"] else ""
        rows.append(
            (
                row["channel"],
                money(row["current_spend"]),
                money(row["spend"]) + marks,
                money(row["change"], signed=True),
                "" if share is None else f"{share:+.0%}",
                money(row["outcome"]),
                _interval(row["outcome_interval"]),
                _return(row["marginal_return"]),
            )
        )
    totals = answer["totals"]
    spent, before = totals["spend"], totals["current_spend"]
    rows.append(
        (
            "total",
            money(before),
            money(spent),
            money(None if before is None else _clean(spent - before), signed=True),
            "",
            money(totals["outcome"]),
            _interval(totals["outcome_interval"]),
            "",
        )
    )
    lines = _aligned(rows)
    lines.insert(-1, "─" * len(lines[0]))
    unit = f"{currency or 'money'} a {frequency}"
    lines.append("")
    lines.append(
        f"Spend and expected outcome in {unit}; marginal: outcome from the next unit of money."
    )
    if any(row["extrapolated"] for row in answer["allocation"]):
        lines.append(
            "* more than this channel ever spent in one period: the curve is extrapolated."
        )
    if totals["uplift"] is not None and totals["current_outcome"] is not None:
        share = totals["uplift_share"]
        percent = "" if share is None else f" ({share:+.1%})"
        better = totals["probability_better"]
        odds = "" if better is None else f"; better in {better:.0%} of the posterior draws"
        lines.append(
            f"Against today's mix: {money(totals['uplift'], signed=True)} a "
            f"{frequency}{percent}{odds}."
        )
    return lines


def certificate_lines(answer: Mapping[str, Any]) -> list[str]:
    """How good the plan is proven to be on the fitted curves."""
    proof = answer["certificate"]
    bound = proof["upper_bound"]
    gap = proof["relative_gap"]
    verdict = "proven" if proof["proven"] else "not proven"
    ceiling = "" if bound is None else f"no plan brings more than {money(bound)}; "
    first = f"{answer['status']}, {verdict}: {ceiling}this one brings {money(proof['objective'])}"
    lines = [first if gap is None else f"{first} (relative gap {gap:.1e})"]
    lines.append(
        f"{proof['method']}, {proof['iterations']} iterations, {proof['nodes']} nodes, "
        f"{proof['solve_ms']:.1f} ms; largest constraint violation "
        f"{proof['max_constraint_violation']:.1e}"
    )
    return lines


def sentences(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The explanation or the warnings of an answer, one a line."""
    return [f"- {item.get('text') or item.get('message')}" for item in items]


def truth_lines(current: float, plan: float, best: float) -> list[str]:
    """A simulated brand only: what both plans bring under its true curves, against the best.

    Parameters
    ----------
    current, plan, best
        True outcome of media a period: of today's mix, of the recommended plan, of the best.
    """
    lost_now, lost = best - current, best - plan
    first = (
        f"true optimum {money(best)}; recommended plan {money(plan)} (regret {money(lost)}, "
        f"{lost / best:.1%}); today's mix {money(current)} (regret {money(lost_now)}, "
        f"{lost_now / best:.1%})"
    )
    lines = [first]
    if lost_now > 0:
        closed = 1 - lost / lost_now
        lines.append(
            f"the plan closes {closed:.0%} of the distance to the best possible one"
            if closed >= 0
            else f"the plan is worse than today's mix by {money(current - plan)} in truth"
        )
    return lines


def _return(value: float | None) -> str:
    """Outcome per unit of money: two decimals, like a price, where that says enough.

    >>> _return(1.2094), _return(2122223.91), _return(0.00012), _return(None)
    ('1.21', '2,122,224', '0.00012', '')
    """
    if value is None:
        return ""
    return f"{value:.2f}" if 0.1 <= abs(value) < 999.95 else money(value)


def _interval(pair: Sequence[float] | None) -> str:
    return "" if pair is None else f"{money(pair[0])} … {money(pair[1])}"


def _clean(value: float) -> float:
    """Zero for what is rounding only: a difference under half a cent."""
    return 0.0 if abs(value) < 0.005 else value


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
