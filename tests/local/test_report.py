"""What ./run prints, from answers with every awkward value."""

from __future__ import annotations

from typing import Any

from local.report import certificate_lines, money, plan_table, sentences, truth_lines


def row(channel: str, **changes: Any) -> dict[str, Any]:
    return {
        "channel": channel,
        "spend": 1500.0,
        "current_spend": 1000.0,
        "change": 500.0,
        "change_share": 0.5,
        "outcome": 4000.4,
        "outcome_interval": [3000.0, 5000.0],
        "marginal_return": 1.234,
        "extrapolated": False,
    } | changes


def answer(**totals: Any) -> dict[str, Any]:
    return {
        "status": "optimal",
        "allocation": [
            row("tv", extrapolated=True),
            row(
                "a_very_long_channel_name",
                current_spend=None,
                change=None,
                change_share=None,
                outcome_interval=None,
                marginal_return=None,
                extrapolated=None,
            ),
        ],
        "totals": {
            "spend": 3000.0,
            "current_spend": 3000.0000001,
            "outcome": 8000.8,
            "outcome_interval": [6000.0, 9000.0],
            "current_outcome": 7000.0,
            "uplift": 1000.8,
            "uplift_share": 0.143,
            "probability_better": 0.93,
        }
        | totals,
    }


def test_the_table_has_a_line_a_channel_and_a_total() -> None:
    lines = plan_table(answer(), "EUR", "week")

    def words(line: int) -> str:
        return " ".join(lines[line].split())

    assert words(0) == "channel now recommended change expected 90 % interval marginal"
    assert words(1) == "tv 1,000 1,500* +500 +50% 4,000 3,000 … 5,000 1.23"
    assert words(2) == "a_very_long_channel_name – 1,500 – 4,000"
    assert words(4) == "total 3,000 3,000 0 8,001 6,000 … 9,000"
    assert lines[2].index("1,500") == lines[1].index("1,500*") + 1  # aligned to the right
    assert all(line == line.rstrip() for line in lines)
    text = "\n".join(lines[5:])
    assert "EUR a week" in text
    assert "* more than this channel ever spent" in text
    assert "+1,001 a week (+14.3%); better in 93% of the posterior draws" in text


def test_returns_in_other_units_stay_readable() -> None:
    plan = answer()
    plan["allocation"][0]["marginal_return"] = 2122223.91
    plan["allocation"][0]["outcome_interval"] = [1.4e-7, 3.2]
    line = plan_table(plan, None, "week")[1]
    assert line.endswith("~0 … 3.2  2,122,224")


def test_what_is_unknown_is_left_out_not_invented() -> None:
    text = "\n".join(
        plan_table(
            answer(current_spend=None, uplift=None, probability_better=None, outcome_interval=None),
            None,
            "month",
        )
    )
    assert "money a month" in text
    assert "Against today" not in text
    assert "None" not in text
    assert "nan" not in text


def certified(**changes: Any) -> dict[str, Any]:
    return {
        "status": "optimal",
        "certificate": {
            "objective": 8000.0,
            "upper_bound": 8000.001,
            "relative_gap": 1.25e-7,
            "proven": True,
            "method": "branch_and_bound",
            "iterations": 12,
            "nodes": 3,
            "solve_ms": 4.25,
            "max_constraint_violation": 0.0,
        }
        | changes,
    }


def test_the_certificate_says_what_is_proven() -> None:
    first, second = certificate_lines(certified())
    assert first.startswith("optimal, proven: no plan brings more than 8,000")
    assert "relative gap 1.2e-07" in first
    assert second.startswith("branch_and_bound, 12 iterations, 3 nodes, 4.2 ms")


def test_an_unproven_plan_is_not_called_proven() -> None:
    lines = certificate_lines(certified(proven=False, upper_bound=None, relative_gap=None))
    assert lines[0] == "optimal, not proven: this one brings 8,000"


def test_sentences_of_explanation_and_warnings() -> None:
    items = [{"code": "a", "text": "Move it."}, {"code": "b", "message": "Beware."}]
    assert sentences(items) == ["- Move it.", "- Beware."]


def test_regret_against_the_truth() -> None:
    better = truth_lines(current=80.0, plan=95.0, best=100.0)
    assert "regret 5, 5.0%" in better[0]
    assert "regret 20, 20.0%" in better[0]
    assert better[1] == "the plan closes 75% of the distance to the best possible one"
    worse = truth_lines(current=80.0, plan=70.0, best=100.0)
    assert worse[1] == "the plan is worse than today's mix by 10 in truth"


def test_amounts() -> None:
    assert money(-0.0) == "0"
    assert money(999.96) == "1,000"
    assert money(0.001234) == "0.001234"
    assert money(-12.5, signed=True) == "-12.5"
