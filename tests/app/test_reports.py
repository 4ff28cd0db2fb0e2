"""The report and its pictures through the triggers."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from tests.app.client import Client
from tests.app.test_imports import PYMC

SVG = "{http://www.w3.org/2000/svg}svg"
PLOTS = ("allocation", "responses", "budget", "shares", "decomposition", "fit", "returns")
SECTIONS = ("plan", *PLOTS, "checks", "data", "certificate", "warnings")


class Page(HTMLParser):
    """What a page is made of: sections, addresses it names, table cells, its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sections: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.rows: dict[str, list[list[float | None]]] = {}
        self.words = ""
        self._section = ""
        self._row: list[float | None] = []
        self._name: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        if tag == "section":
            self._section = known["id"] or ""
            self.sections.append(self._section)
        self.loads += [
            value or ""
            for key, value in attrs
            if key in ("src", "srcset", "href", "xlink:href", "data", "action")
        ]
        if tag == "tr":
            self._row, self._name = [], None
        if tag == "data":
            self._row.append(float(known["value"] or "nan"))
        if tag == "th" and known.get("scope") == "row":
            self._name = ""

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._name == "":
            self._name = data

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._name:
            self.rows.setdefault(f"{self._section}:{self._name}", []).append(self._row)


@pytest.fixture(scope="module")
def page(api: Client, fitted: str) -> Page:
    answer = api.get(f"datasets/{fitted}/report")
    assert answer.status == 200, answer.body
    assert answer.media == "text/html"
    assert answer.headers["content-type"].replace(" ", "").lower() == "text/html;charset=utf-8"
    return Page(answer.body.decode())


def test_the_page_has_every_section_and_every_picture(page: Page) -> None:
    assert set(page.sections) == set(SECTIONS)
    assert page.tags.count("svg") == len(PLOTS)
    assert page.tags.count("desc") == len(PLOTS)
    assert "There is no data report" not in page.words


def test_the_page_loads_nothing_from_anywhere(page: Page) -> None:
    assert all(address.startswith("#") for address in page.loads)
    assert not {"script", "iframe", "link", "img", "object"} & set(page.tags)


def test_the_tables_say_what_the_answer_says(api: Client, fitted: str, page: Page) -> None:
    curves = api.get(f"datasets/{fitted}/curves").json
    budget = sum(channel["observed_spend"]["last"] for channel in curves["channels"])
    asked = {"dataset": fitted, "budget": budget}
    answer = api.post("optimize", asked).json
    for row in answer["allocation"]:
        (told,) = page.rows[f"allocation:{row['channel']}"]
        assert told == [
            row["current_spend"],
            row["spend"],
            row["change"],
            row["change_share"],
            *row["spend_interval"],
            row["outcome"],
            *row["outcome_interval"],
            row["marginal_return"],
        ]
    (total,) = page.rows["allocation:total"]
    assert total[0] == pytest.approx(answer["totals"]["current_spend"], rel=1e-12)
    assert answer["totals"]["outcome"] in total
    for item in answer["explanation"]:
        assert item["text"] in page.words
    for item in answer["warnings"]:
        assert item["message"] in page.words
    for reason in curves["diagnostics"]["reasons"]:
        assert reason in page.words
    over_time = curves["diagnostics"]["over_time"]
    (first,) = page.rows[f"fit:{over_time['dates'][0]}"]
    assert first[:4] == [over_time[key][0] for key in ("actual", "fitted", "low", "high")]
    for channel in curves["channels"]:
        (told,) = page.rows[f"returns:{channel['channel']}"]
        low, high = channel["roi"]["interval"]
        assert told[-3:] == [low, channel["roi"]["mean"], high]


def test_the_verdict_stands_before_the_plan(api: Client, fitted: str, page: Page) -> None:
    budget = sum(
        channel["observed_spend"]["last"]
        for channel in api.get(f"datasets/{fitted}/curves").json["channels"]
    )
    answer = api.post("optimize", {"dataset": fitted, "budget": budget}).json
    words = page.words[page.words.index("The plan", page.words.index("Warnings")) :]
    told = [item["text"] for item in answer["explanation"] if item["code"] != "low_trust"]
    headline = words.index(told[0])
    assert words.count(answer["trust"]["text"], 0, headline) == 1
    assert words.index(answer["trust"]["step"]["text"]) < headline
    assert words.index(answer["trust"]["text"]) < headline
    for price in answer["shadow_prices"]:
        assert [price["value"]] in page.rows[f"plan:{price['name']}"]


def test_the_sweep_on_the_page_is_that_of_scenarios(api: Client, fitted: str, page: Page) -> None:
    rows = [told[0] for name, told in page.rows.items() if name.startswith("budget:")]
    assert len(rows) >= 5
    curves = api.get(f"datasets/{fitted}/curves").json
    now = sum(channel["observed_spend"]["last"] for channel in curves["channels"])
    budgets = [row[0] for row in rows if row[0] is not None]
    assert any(budget == pytest.approx(now) for budget in budgets)
    asked = {"base": {"dataset": fitted, "budget": now}, "sweep": {"budget": budgets}}
    swept = api.post("scenarios", asked).json["sweep"]
    for row, real in zip(rows, swept, strict=True):
        assert row[1] == pytest.approx(real["outcome"], rel=1e-6)


@pytest.mark.parametrize("plot", PLOTS)
def test_a_picture_as_svg(api: Client, fitted: str, plot: str) -> None:
    answer = api.get(f"datasets/{fitted}/plots/{plot}?format=svg")
    assert answer.status == 200, answer.body
    assert answer.media == "image/svg+xml"
    drawn = ElementTree.fromstring(answer.body)
    assert drawn.tag == SVG
    words = " ".join(text.text or "" for text in drawn.iter() if text.tag.endswith("}text"))
    assert "revenue" in words or "EUR" in words
    assert not [node for node in drawn.iter() if node.tag.endswith("}image")]


def test_a_picture_as_png_is_the_same_twice(api: Client, fitted: str) -> None:
    first, second = (api.get(f"datasets/{fitted}/plots/returns?format=png") for _ in range(2))
    assert first.status == 200, first.body
    assert first.media == "image/png"
    assert first.body.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(first.body[16:20], "big") >= 900
    assert first.body == second.body


def test_a_version_and_a_budget_may_be_asked_for(api: Client, fitted: str) -> None:
    version = api.get(f"datasets/{fitted}/curves").json["version"]
    asked = f"datasets/{fitted}/plots/allocation?version={version}"
    usual = api.get(asked)
    assert usual.body == api.get(f"datasets/{fitted}/plots/allocation").body
    less = api.get(f"{asked}&budget=1000")
    assert less.status == 200, less.body
    assert less.body != usual.body


def test_today_is_one_thing_on_the_page_and_in_an_answer(api: Client, fitted: str) -> None:
    now = {"last": 4}
    told = api.post("optimize", {"dataset": fitted, "budget_change": 0, "current": now}).json
    over, page = told["current_over"], api.get(f"datasets/{fitted}/report?current=4")
    assert page.status == 200, page.body
    assert f"the mean of 4 weeks, {over['from']} to {over['to']}" in page.body.decode()
    assert f'<data value="{told["totals"]["spend"]}">' in page.body.decode()
    days = f"{over['from']}/{over['to']}"
    same = api.get(f"datasets/{fitted}/report?current={days}")
    assert same.body == page.body
    usual = api.get(f"datasets/{fitted}/report").body.decode()
    assert "the mean of 13 weeks, " in usual


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("datasets/nobody-has-this/report", 404, "nobody-has-this"),
        ("datasets/nobody-has-this/plots/fit", 404, "nobody-has-this"),
        ("datasets/{fitted}/report?version=nonsense", 404, "version"),
        ("datasets/{fitted}/plots/responsess", 404, "Did you mean 'responses'?"),
        ("datasets/{fitted}/plots/fit?format=gif", 422, "svg or png"),
        ("datasets/{fitted}/report?budget=lots", 422, "amount of money"),
        ("datasets/{fitted}/report?budget=nan", 422, "amount of money"),
        ("datasets/{fitted}/report?budget=-1", 422, "amount of money"),
        ("datasets/{fitted}/report?current=0", 422, "/current"),
        ("datasets/{fitted}/report?current=yesterday", 422, "/current"),
        ("datasets/{fitted}/report?current=99999999", 422, "/current"),
        ("datasets/{fitted}/report?current=2026-13-01/2026-12-01", 422, "/current/from"),
        ("datasets/{fitted}/report?current=1900-01-01/1900-12-01", 422, "/current"),
    ],
)
def test_what_cannot_be_shown_is_said(
    api: Client, fitted: str, path: str, status: int, says: str
) -> None:
    answer = api.get(path.format(fitted=fitted))
    assert answer.status == status
    assert answer.media == "application/problem+json"
    assert says in json.dumps(answer.json, ensure_ascii=False)


def test_no_curves_yet_is_a_404_with_a_sentence(api: Client, name: str) -> None:
    stored = api.put(f"datasets/{name}/spec", b'{"outcome": "sales"}', "application/json")
    assert stored.status == 200, stored.body
    for path in ("report", "plots/fit"):
        answer = api.get(f"datasets/{name}/{path}")
        assert answer.status == 404
        assert "no fitted curves yet" in answer.json["detail"]


def test_imported_curves_have_a_report_that_says_what_is_missing(api: Client, name: str) -> None:
    stored = api.post(f"datasets/{name}/curves", {**PYMC, "promote": True})
    assert stored.status == 201, stored.body
    answer = api.get(f"datasets/{name}/report")
    assert answer.status == 200, answer.body
    page = Page(answer.body.decode())
    assert set(page.sections) == set(SECTIONS)
    assert "nothing says what the outcome was made of" in page.words
    assert "No spend history is stored" in page.words
    assert "there is nothing to check them by" in page.words
    missing = api.get(f"datasets/{name}/plots/fit")
    assert missing.status == 404
    assert "not fitted here" in missing.json["detail"]


def test_names_are_words_and_never_markup(api: Client, name: str) -> None:
    evil = ["<script>alert(1)</script>", "$x^2$", "_hidden", "\"&'"]
    table = "channel,spend,response\n" + "".join(
        f'"{channel.replace(chr(34), chr(34) * 2)}",{spend},{spend**0.5 * (2 + k)}\n'
        for k, channel in enumerate(evil)
        for spend in (0, 10, 30, 60)
    )
    curves = {
        "format": "table",
        "table_csv": table,
        "outcome": "<b>sales</b>",
        "channels": [{"channel": channel, "current_spend": 15} for channel in evil],
        "promote": True,
    }
    stored = api.post(f"datasets/{name}/curves", curves)
    assert stored.status == 201, stored.body
    answer = api.get(f"datasets/{name}/report")
    assert answer.status == 200, answer.body
    page = Page(answer.body.decode())
    assert "script" not in page.tags
    assert "b" not in page.tags
    for channel in evil:
        assert page.words.count(channel) >= 2
    drawn = ElementTree.fromstring(api.get(f"datasets/{name}/plots/allocation").body)
    words = [(node.text or "").strip() for node in drawn.iter() if node.tag.endswith("}text")]
    assert set(evil[1:]) <= set(words)
    assert "script" not in [node.tag.rpartition("}")[2] for node in drawn.iter()]
