"""Exports of ad platforms as they come, rebuilt by hand with invented numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from shared.errors import InvalidInput
from shared.history.merge import patched, with_source
from shared.history.parse import check_upload, parse
from tests.history.forms import NUMBERS, OUTCOMES, REVENUE, SEARCH, TV, WEEKS, text, wide

CAMPAIGNS = ("Brand | EN", "Generic")


def rows(line: Callable[..., list[str]]) -> list[list[str]]:
    """A line for each week and campaign: the day, the campaign, what it cost and brought."""
    return [
        line(day, name, spend, 0.5 * revenue + k)
        for day, revenue, *costs in WEEKS
        for k, (name, spend) in enumerate(zip(CAMPAIGNS, costs, strict=True))
    ]


def money(value: float) -> str:
    return f"{value:,.2f}"


def google() -> bytes:
    header = "Campaign,Day,Campaign status,Currency code,Cost,Impr.,Clicks,Conversions,Conv. value"
    status = ["Enabled", "USD"]
    body = rows(
        lambda d, n, s, r: [n, f"{d}", *status, money(s), "62,247", "37", "51.00", money(r), "4.10"]
    )
    total = [
        "Total: Campaigns",
        " --",
        " --",
        "USD",
        "434,531.07",
        "1,234",
        "1",
        "1.00",
        "2,023.00",
    ]
    return text(
        [
            ["Campaign report"],
            ["January 1, 2023 - February 24, 2024"],
            [*header.split(","), "Cost / conv."],
            *body,
            [*total, "40.00"],
            ["Total: Account", "", "", *total[3:], "40.00"],
        ]
    )


def meta() -> bytes:
    header = "Reporting starts,Reporting ends,Campaign name,Amount spent (USD),Impressions,Results"
    header += ",Cost per results,Purchases conversion value"
    body = rows(lambda d, n, s, r: [f"{d}", "2030-01-01", n, f"{s}", "9", "51", "4.1", f"{r}"])
    return text([header.split(","), *body])


def tiktok() -> bytes:
    header = "Date,Campaign name,Cost,Impressions,CPM,Conversions,Cost per conversion"
    body = rows(lambda d, n, s, r: [f"{d}", n, f"{s} USD", "99", "3.1", f"{r:.0f}", "1.2"])
    last = ["Total of 120 results", "-", "9 USD", "1", "3.1", "2", "1.2"]
    return text([header.split(","), *body, last])


def linkedin() -> bytes:
    header = "Start Date (in UTC),Account Name,Currency,Campaign Name,Total Spent,Impressions"
    body = rows(lambda d, n, s, r: [f"{d:%m/%d/%Y}", "Shop", "EUR", n, f"{s}", "70", f"{r:.0f}"])
    above = [["Campaign Performance Report (in UTC)"], ["Report Start: January 1, 2023"]]
    above += [["Date Generated: March 1, 2024"], []]
    return text([*above, [*header.split(","), "Conversions"], *body], "\t", "utf-16")


def microsoft() -> bytes:
    header = ["Gregorian date", "Campaign", "Currency code", "Impressions", "Clicks", "Spend"]
    body = rows(lambda d, n, s, r: [f"{d:%m/%d/%Y}", n, "USD", "4,000", "12", money(s), money(r)])
    above = [["Report Name: Campaigns"], ["Report Time: 1/1/2023,2/28/2024"], ["Rows: 120"], []]
    below = [["©2024 Microsoft Corporation. All rights reserved. "]]
    return text([*above, [*header, "Revenue"], *body, *below])


def amazon() -> bytes:
    header = "Date,Portfolio name,Currency,Campaign Name,Impressions,Clicks,Cost Per Click (CPC)"
    header += ",Spend,7 Day Total Sales ,Total Advertising Cost of Sales (ACOS) "
    body = rows(
        lambda d, n, s, r: [
            *(f"{d:%b %d, %Y}", "All", "USD", n, "88", "4", "$0.61"),
            *(f"${money(s)}", f"${money(r)}", "11.1%"),
        ]
    )
    return text([header.split(","), *body])


def dv360() -> bytes:
    header = "Date,Advertiser,Advertiser Currency,Insertion Order,Impressions"
    header += ",Revenue (Adv Currency),Media Cost (Advertiser Currency)"
    header += ",Total Media Cost (Advertiser Currency),Total Conversions"
    body = rows(
        lambda d, n, s, r: [
            *(f"{d:%Y/%m/%d}", "Shop", "EUR", n, "5"),
            *(f"{1.15 * s:.2f}", f"{0.9 * s:.2f}", f"{s}", f"{r:.0f}"),
        ]
    )
    sums = ["", "", "EUR", "", "600", f"{1.15 * (TV + SEARCH)}", "", f"{TV + SEARCH}", ""]
    notes = [["Report Time:", "2024/03/01 09:00"], ["Date Range:", "2023/01/01 to 2024/02/25"]]
    return text([header.split(","), *body, sums, [], *notes])


def campaign_manager() -> bytes:
    header = "Campaign,Date,Placement ID,Impressions,Clicks,Media Cost,Total Revenue"
    body = rows(lambda d, n, s, _: [n, f"{d}", "771", "5", "1", f"{s}", f"{1.1 * s:.2f}"])
    above = [["Report Name", "Weekly"], ["Date Range", "Custom"], [], ["Report Fields"]]
    last = ["Grand Total:", "---", "---", "5", "1", "9", "9"]
    return text([*above, header.split(","), *body, last])


def trade_desk() -> bytes:
    header = "Date,Campaign,Impressions,Media Cost (USD),Partner Cost (USD)"
    header += ",Advertiser Cost (Adv Currency),Total Click + View Conversions"
    body = rows(lambda d, n, s, r: [f"{d}", n, "5", f"{0.7 * s}", f"{0.9 * s}", f"{s}", f"{r:.0f}"])
    return text([header.split(","), *body])


def apple() -> bytes:
    def one(k: int, name: str) -> dict[str, Any]:
        days = [
            {
                "date": f"{day}",
                "localSpend": {"amount": f"{costs[k]}", "currency": "USD"},
                "impressions": 70,
                "totalInstalls": int(revenue) % 97,
            }
            for day, revenue, *costs in WEEKS
        ]
        return {"metadata": {"campaignId": k, "campaignName": name}, "granularity": days}

    found = [one(k, name) for k, name in enumerate(CAMPAIGNS)]
    return json.dumps({"data": {"reportingDataResponse": {"row": found}}}).encode()


def snapchat() -> bytes:
    """Two moments a row, and the number of purchases beside their value."""
    header = "Start Time,End Time,Campaign Name,Campaign Status,Amount Spent,Paid Impressions"
    body = rows(
        lambda d, n, s, r: [
            f"{d} 00:00:00",
            f"{d + timedelta(days=6)} 23:59:59",
            *(n, "ACTIVE", f"{s:.2f}", "8211", "4.11", "97", "1.21", "7", f"{r:.2f}"),
        ]
    )
    more = ["Paid eCPM", "Swipe-Ups", "eCPSU", "Purchases", "Purchases Value"]
    return text([[*header.split(","), *more], *body])


def pinterest() -> bytes:
    header = "Date,Campaign ID,Campaign name,Campaign status,Spend in account currency,Impressions"
    body = rows(
        lambda d, n, s, r: [
            *(f"{d}", f"62673{len(n)}", n, "ACTIVE", f"{s:.2f}", "8211", "97", "4.11", f"{r:.2f}")
        ]
    )
    more = ["Pin clicks", "CPM in account currency", "Total order value (Checkout)"]
    return text([[*header.split(","), *more], *body])


def criteo() -> bytes:
    """Semicolons, decimal commas, days first; "Sales" counts what "Order value" is worth."""
    header = "Day;Advertiser;Campaign;Currency;Clicks;Displays;Cost;CPC;Sales;Order value"
    comma = NUMBERS["comma"]
    body = rows(
        lambda d, n, s, r: [
            *(f"{d:%d/%m/%Y}", "Shop", n, "EUR", "97", "8211", comma(s), "1,21", "7", comma(r))
        ]
    )
    return "\n".join([header, *map(";".join, body)]).encode()


def reddit() -> bytes:
    header = "Campaign Name,Date,Amount Spent (USD),Impressions,Clicks,CTR,eCPM"
    dollars = NUMBERS["dollars"]
    body = rows(
        lambda d, n, s, r: [
            *(n, f"{d:%b %d, %Y}", dollars(s), "8,211", "97", "1.18%", "$4.11", dollars(r))
        ]
    )
    return text([[*header.split(","), "Conversions: Purchase Value"], *body])


EXPORTS = {
    export.__name__: export
    for export in (
        *(google, meta, tiktok, linkedin, microsoft, amazon),
        *(dv360, campaign_manager, trade_desk, apple),
        *(snapchat, pinterest, criteo, reddit),
    )
}
LEFT_OUT = {
    "google": 4,
    "tiktok": 1,
    "linkedin": 3,
    "microsoft": 4,
    "dv360": 3,
    "campaign_manager": 4,
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read_as_it_comes(name: str) -> None:
    upload = check_upload(None, EXPORTS[name](), OUTCOMES.encode())
    assert upload.read["spend"] == pytest.approx({"Brand _ EN": TV, "Generic": SEARCH}, rel=1e-4)
    assert upload.read["outcome"] == pytest.approx({"revenue": REVENUE})
    assert upload.read["rows_left_out"] == LEFT_OUT.get(name, 0)
    assert (upload.layout, upload.frequency, upload.rows) == ("long", "week", 120)


@pytest.mark.parametrize("name", EXPORTS)
def test_what_a_platform_bills_is_never_the_outcome(name: str) -> None:
    if name in ("campaign_manager", "apple"):
        with pytest.raises(InvalidInput, match="needs its outcomes"):
            parse(None, EXPORTS[name]())
        return
    parsed = parse(None, EXPORTS[name]())
    assert "outcome_from_rows" in {finding.code for finding in parsed.findings}
    outcome = float(parsed.history.outcome.sum())
    assert parsed.history.spend.sum() * 1.3 < outcome or "onversions" in parsed.history.outcome_name


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("snapchat", "Purchases Value"),
        ("pinterest", "Total order value (Checkout)"),
        ("criteo", "Order value"),
        ("reddit", "Conversions: Purchase Value"),
    ],
)
def test_the_value_of_what_was_sold_goes_before_its_number(name: str, column: str) -> None:
    parsed = parse(None, EXPORTS[name]())
    assert parsed.history.outcome_name == column
    sold = sum(0.5 * revenue * 2 + 1 for _, revenue, _, _ in WEEKS)
    assert parsed.history.outcome.sum() == pytest.approx(sold, rel=1e-5)


def test_what_sessions_brought_is_an_outcome_beside_spend() -> None:
    """A preamble of comments, days without marks, a row for each channel group."""
    shares = {"Paid Search": 0.5, "Email": 0.3, "Direct": 0.2}
    rule = "# " + "-" * 40
    lines = [rule, "# Traffic acquisition", "# Account: Shop", rule, "#", "# All Users"]
    lines += ["# Start date: 20230102", "# End date: 20240225"]
    lines += ["Date,Session default channel group,Sessions,Total revenue"]
    lines += [
        f"{day:%Y%m%d},{group},{2000 + t % 9},{revenue * share:.3f}"
        for t, (day, revenue, _, _) in enumerate(WEEKS)
        for group, share in shares.items()
    ]
    spend = text(
        [
            ["date", "channel", "spend"],
            *([f"{day}", "tv", f"{tv}"] for day, _, tv, _ in WEEKS),
        ]
    )
    sessions = "\n".join(lines).encode()
    alone = check_upload(None, None, sessions)
    assert (alone.rows, alone.read["rows_left_out"]) == (180, 8)
    assert "outcomes_summed" in {finding.code for finding in alone.findings}
    both = check_upload(None, spend, sessions)
    assert both.read["outcome"] == pytest.approx({"Total revenue": REVENUE}, rel=1e-6)
    assert both.read["spend"] == pytest.approx({"tv": TV})


@pytest.mark.parametrize("name", ["dv360", "campaign_manager", "trade_desk"])
def test_one_campaign_alone_is_read_as_several_are(name: str) -> None:
    """A row a date, and still no table of channels across: its revenue is what was billed."""
    lines = EXPORTS[name]().decode().splitlines()
    table = "\n".join(line for line in lines if "Generic" not in line).encode()
    upload = check_upload({"drop_totals": True}, table, OUTCOMES.encode())
    assert upload.read["spend"] == pytest.approx({"Brand _ EN": TV})


def test_orders_are_added_up_by_their_days() -> None:
    header = "Name,Email,Financial Status,Currency,Total,Lineitem name,Created at"
    lines = [
        [f"#{1000 + k}", "a@b.c", "paid", "EUR", f"{10 + k % 7}.50", "mug", stamp]
        for k in range(90)
        for stamp in [f"{date(2024, 1, 1) + timedelta(days=k // 3)} {8 + k % 9:02d}:22:11 +0100"]
    ]
    spec = {"outcome": "Total", "outcome_unit": "money"}
    upload = check_upload(spec, None, text([header.split(","), *lines]))
    assert (upload.frequency, upload.periods) == ("day", 30)
    assert upload.read["outcome"] == pytest.approx({"Total": sum(10.5 + k % 7 for k in range(90))})
    assert "moments" in {finding.code for finding in upload.findings}


def test_a_planners_flowchart() -> None:
    """Months across, channels joined over their lines, totals on two edges."""
    months = ["Jan 2024", "Feb 2024", "Mar 2024", "Apr 2024"]
    table = text(
        [
            ["Media plan 2024"],
            ["Channel", "Line", *months, "Total"],
            ["TV", "Spot", "1,000.50", "2,000.00", "", "500.25", "3,500.75"],
            ["", "Sponsoring", "10.00", "20.00", "30.00", "40.00", "100.00"],
            ["Search", "Brand", "5.50", "6.50", "7.50", "8.50", "28.00"],
            ["Total", "", "1,016.00", "2,026.50", "37.50", "548.75", "3,628.75"],
        ]
    )
    upload = check_upload(None, table)
    assert upload.read["spend"] == {"Search": 28.0, "TV": 3600.75}
    assert (upload.frequency, upload.periods) == ("month", 4)


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        (("cost_per_conversion", lambda t: 20 + t % 7), "a rate or an average"),
        (("Cost / conv.", lambda t: 20 + t % 7), "a rate or an average"),
        (("cumulative_spend", lambda t: 100 * t + 5), "a sum to date"),
        (("planned_spend", lambda t: 900 + t % 5), "a plan"),
        (("cost_of_goods", lambda t: 7000 + t % 9), "no cost of media"),
        (("shipping_cost", lambda t: 300 + t % 9), "no cost of media"),
    ],
)
def test_columns_that_are_no_media_by_name(columns: Any, taken: str) -> None:
    name, value = columns
    table = wide(NUMBERS["plain"], lambda d: f"{d}")
    table = [[*row, name if not t else str(value(t))] for t, row in enumerate(table)]
    parsed = parse(None, text(table))
    assert parsed.history.channels == ("tv", "search")
    (found,) = [finding for finding in parsed.findings if finding.code == "no_media"]
    assert (found.data["taken_for"], found.settled_by) == (taken, "channels")


def test_a_sum_to_date_by_content() -> None:
    table = wide(NUMBERS["plain"], lambda d: f"{d}")
    table = [[*row, f"{100 * t + 5}" if t else "spend_radio"] for t, row in enumerate(table)]
    found = {f.code: f for f in parse(None, text(table)).findings}
    assert found["spend_never_falls"].settled_by == "channels"


@pytest.mark.parametrize(
    ("cells", "values"), [(("No", "Yes"), {0.0, 1.0}), (("12.5%", "20 %"), {12.5, 20.0})]
)
def test_yes_and_no_and_percents_make_a_control(cells: Any, values: set[float]) -> None:
    table = wide(NUMBERS["plain"], lambda d: f"{d}")
    table = [[*row, cells[t % 3 == 0] if t else "promo"] for t, row in enumerate(table)]
    history = parse(None, text(table)).history
    assert history.control_names == ("promo",)
    assert set(history.controls[:, 0]) == values


def test_rows_that_a_column_tells_apart() -> None:
    """One fault names the column and what settles it; the spec adds them up, or keeps them."""
    lines = [["date", "channel", "device", "spend"]]
    lines += [[f"{d}", "tv", device, f"{tv / 2}"] for d, _, tv, _ in WEEKS for device in "md"]
    with pytest.raises(InvalidInput) as caught:
        parse(None, text(lines), OUTCOMES.encode())
    (fault,) = caught.value.faults
    assert fault.code == "duplicate_period"
    assert "59 other rows likewise. Column 'device' tells them apart" in fault.message
    assert "'duplicates': 'sum' in the spec" in fault.message
    summed = check_upload({"duplicates": "sum"}, text(lines), OUTCOMES.encode())
    assert summed.read["spend"] == pytest.approx({"tv": TV})
    apart = check_upload({"channel_column": "device"}, text(lines), OUTCOMES.encode())
    assert apart.read["spend"] == pytest.approx({"d": TV / 2, "m": TV / 2})


def test_names_that_are_one_channel() -> None:
    lines = [["date", "channel", "spend"]]
    lines += [
        [f"{d}", "TV" if t % 2 else "television", f"{tv}"] for t, (d, _, tv, _) in enumerate(WEEKS)
    ]
    spec = {"channels": [{"channel": "tv", "aliases": ["TV", "television"]}]}
    assert check_upload(spec, text(lines), OUTCOMES.encode()).read["spend"] == pytest.approx(
        {"tv": TV}
    )


def test_amounts_in_other_currencies_are_converted_by_rates() -> None:
    spec = {"currency": "USD", "rates": [{"currency": "SEK", "rate": 0.1}]}
    table = wide(NUMBERS["plain"], lambda d: f"{d}")
    table[0] = ["date", "revenue_usd", "tv_cost_sek", "search_cost_sek"]
    with pytest.raises(InvalidInput, match="'rates'"):
        parse(None, text(table))
    upload = check_upload(spec, text(table))
    assert upload.read["spend"] == pytest.approx({"tv": TV / 10, "search": SEARCH / 10})
    lines = [["date", "channel", "spend", "currency"]]
    lines += [
        [f"{d}", n, f"{s}", c]
        for d, _, *costs in WEEKS
        for n, s, c in zip(("tv", "search"), costs, ("SEK", "USD"), strict=True)
    ]
    upload = check_upload(spec, text(lines), OUTCOMES.encode())
    assert upload.read["spend"] == pytest.approx({"tv": TV / 10, "search": SEARCH})


def test_rows_renew_those_of_their_dates() -> None:
    table = text(wide(NUMBERS["plain"], lambda d: f"{d}"))
    day = WEEKS[-1][0]
    new = f"date,revenue,spend_tv,spend_search\n{day},1000,1,2\n2024-02-26,2000,3,4\n".encode()
    once, found = patched(None, table, new)
    assert found[-1].data == {"dates": 2, "changed": [f"{day}"]}
    upload = check_upload(None, once)
    assert upload.periods == 61
    assert upload.read["outcome"]["revenue"] == pytest.approx(REVENUE - WEEKS[-1][1] + 3000)
    again, found = patched(None, once, new)
    assert (again, found[-1].data["changed"]) == (once, [])
    with pytest.raises(InvalidInput, match="no column 'spend_radio'"):
        patched(None, table, b"date,revenue,spend_radio\n2024-02-26,5,5\n")


def test_a_history_of_several_sources() -> None:
    """Each is a channel with its campaigns, and is replaced alone."""
    merged, _ = with_source(None, None, meta(), "meta")
    merged, _ = with_source(None, merged, google(), "google")
    upload = check_upload(None, merged, OUTCOMES.encode())
    assert upload.read["spend"] == pytest.approx({"google": TV + SEARCH, "meta": TV + SEARCH})
    again, found = with_source(None, merged, meta(), "meta")
    assert again == merged
    assert found[-1].data == {"source": "meta", "spend": pytest.approx(TV + SEARCH)}
    days = "".join(f"2023-01-{day:02d},x,5\n" for day in range(1, 29))
    with pytest.raises(InvalidInput, match="'daily' is by day, 'google' is by week"):
        with_source(None, merged, f"Day,Campaign,Cost\n{days}".encode(), "daily")
    with pytest.raises(InvalidInput, match="put as a whole"):
        with_source(None, google(), meta(), "meta")


def test_a_year_beside_a_week() -> None:
    """In columns of their own, with a total below."""
    lines = [["Year", "Week", "revenue", "spend_tv"]]
    lines += [[*map(str, day.isocalendar()[:2]), f"{r}", f"{tv}"] for day, r, tv, _ in WEEKS]
    upload = check_upload(None, text([*lines, ["Total", "", "5", "6"]]))
    assert (upload.first, upload.last) == (WEEKS[0][0], WEEKS[-1][0])
    assert upload.read["spend"] == pytest.approx({"tv": TV})
    assert upload.read["rows_left_out"] == 1
