"""Guesses of the roles of columns where the spec does not say; every guess is reported.

Only names (and, for dates and labels, contents) decide. A numeric column that is no outcome, spend
or exposure becomes a control only where its name says promotion, price, discount, competitor,
holiday, event or control: whatever else is left over is named in a finding and left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from shared.errors import InvalidInput
from shared.history.dates import parse_date
from shared.history.names import SPEND, TOTALS, called_total, plain_name, tokens, words
from shared.history.numbers import as_control, filled_share, is_empty
from shared.history.reading import Table
from shared.history.spec import ChannelRole, Spec
from shared.history.table import Finding

__all__ = [
    "buys_media",
    "columns_left_out",
    "find_date",
    "guess_roles",
    "names_a_result",
    "no_media",
    "spend_like",
]

_DATES = words(
    "date ds day week_start week_starting week_commencing date_week month time period "
    "week month_year year_month year_week timestamp datum fecha woche semaine"
)
_OUTCOMES = words(
    "revenue sales gmv conversions orders purchases y target kpi outcome response signups leads "
    "umsatz ventas ingresos"
)
_RESULTS = (
    *_OUTCOMES,
    *words(
        "units turnover income profit margin transactions bookings installs subscriptions "
        "registrations quantity"
    ),
)
"""Names of what media and promotions bring about: never guessed to be a control."""
_NOT_A_RESULT = words(
    "price prices discount discounts holiday holidays event events days index flag tax"
)
"""Words that make a condition of a result's name: a sales price, sales days."""
_NOT_AN_OUTCOME = words(
    "per mean avg average median rate share pct percent platform projected predicted "
    "attributed competitor competitors control spend cost planned plan budget forecast "
    "expected shipping tax cumulative ytd previous prior last"
)
_NO_MEDIA = {
    "a rate or an average": "per mean avg average median rate ratio share pct percent cpc cpm cpa "
    "cpv cpl cpi roas acos",
    "a sum to date": "cumulative cumul cum cumulated ytd mtd qtd",
    "that of another time": "last previous prior ly",
    "a plan": "planned plan target targeted budget budgeted forecast forecasted projected expected",
    "a competitor's": "competitor competitors competition rival rivals",
    "no cost of media": "cogs shipping tax taxes vat salary salaries",
}
"""Words by which a column named as spend or cost is none of media, and what it then is."""
_OTHER_COSTS = words("goods sold sales delivery fee fees rent labour labor production")
"""Words of what has a cost, where a spend of that name would be that of a channel."""
_IMPRESSIONS = words("impressions impression imps grp grps views")
_CONTROLS = words(
    "promo promos promotion promotions price prices discount discounts competitor "
    "competitors control controls holiday holidays event events"
)
_EVENTS = words("holiday holidays event events")
_GEOS = words("geo geos region market country dma state")
_BUYING = ("insertion order", "advertiser currency", "partner cost", "placement")
_NO_START = words("end ends ending stop created updated modified last")
"""Words of dates that are not the start of a row's period."""


def _guess(role: str, column: str, message: str, **data: object) -> Finding:
    return Finding("guessed_role", message, {"role": role, "column": column, **data})


def find_date(table: Table, spec: Spec) -> tuple[str, list[Finding]]:
    """The date column: the spec's, else the one whose cells are dates, names breaking ties.

    Raises
    ------
    InvalidInput
        There is none: without dates nothing else can be read.
    """
    if spec.date is not None and spec.date in table:
        return spec.date, []
    fits = []
    for place, name in enumerate(table.header):
        codes = table.codes(name)[:: max(1, len(table) // 200)]
        texts = table.text(name)
        counts = Counter(codes.tolist())
        sample = [texts[code] for code in counts]
        # bare numbers such as 20230701 are dates only under a name that says so
        digits = all(cell.strip().isdigit() for cell in sample)
        match = _match(tokens(name), _DATES)
        if digits and match is None:
            continue
        dated = [code for code in counts if parse_date(texts[code]) is not None]
        if sum(counts[code] for code in dated) * 2 > len(codes):
            by_name, part = match or (len(_DATES), True)
            late = not set(_NO_START).isdisjoint(tokens(name))
            fits.append((late, part, by_name, place, name))
    # a column called "date" whose cells are no dates: the cells will be named, one by one
    fits = sorted(fits) or [
        (False, False, 0, 0, name) for name in table.header if "_".join(tokens(name)) in _DATES[:2]
    ]
    if not fits:
        shown = ", ".join(f"'{name}'" for name in table.header[:8])
        raise InvalidInput.at(
            f"{table.root}/rows/1",
            "no_date_column",
            "No column holds dates, and without them neither season nor carryover can be placed. "
            f"Looked at {shown}. Add a column of dates (YYYY-MM-DD, or YYYY-MM for months).",
        )
    best = fits[0][-1]
    others = [name for *_, name in fits[1:]]
    also = f" (dates are in {', '.join(map(repr, others))} too)" if others else ""
    return best, [_guess("date", best, f"Column '{best}' was read as the date{also}.")]


def _match(own: Sequence[str], names: Sequence[str]) -> tuple[int, bool] | None:
    """The first name that the words are or hold, by its place, and whether it is only a part."""
    whole = "_".join(own)
    if whole in names:
        return list(names).index(whole), False
    hits = [place for place, name in enumerate(names) if name in own]
    return (hits[0], True) if hits else None


def guess_roles(
    spec: Spec, table: Table, date_column: str, *, outcomes_only: bool, taken: Sequence[str] = ()
) -> tuple[Spec, list[Finding]]:
    """Fill the roles that the spec leaves open, from one wide table or one table of outcomes.

    Parameters
    ----------
    outcomes_only
        The table holds outcomes beside a long history: no spend columns are looked for.
    taken
        Columns that must not be given a role (fixed columns of a long table).
    """
    findings: list[Finding] = []
    judged = spec.controls is not None and (outcomes_only or spec.channels is not None)
    used = {date_column, *taken, *spec.control_kinds} | {
        name
        for name in (spec.events, spec.geo, *dict(spec.outcome_columns), *spec.factors.values())
        if name
    }
    used |= {n for role in spec.channels or () for n in (role.spend, role.impressions) if n}
    free = [name for name in table.header if name not in used]
    if buys_media(table.header):  # what it calls revenue is what the client is billed
        free = [name for name in free if "revenue" not in tokens(name)]
    numeric = {n: share for n in free if (share := filled_share(table, n)) > 0.0}
    text = [n for n in free if n not in numeric and not all(map(is_empty, table.text(n)))]

    repeated = len(table.values(date_column)) < len(table)
    if spec.geo is None and repeated:
        geo = [n for n in (*text, *numeric) if set(tokens(n)) & set(_GEOS) and not spend_like(n)]
        if geo:
            spec = spec.but(geo=geo[0])
            findings.append(_guess("geo", geo[0], f"Column '{geo[0]}' was read as the geo."))
            free.remove(geo[0])
    if spec.channels is None and not outcomes_only:
        roles, totals = _guess_channels(free)
        findings += [
            Finding(
                "no_media",
                f"Column '{name}' is {what} by its name and was not used as spend: name the "
                "channels in the spec, with it or without it.",
                {"column": name, "taken_for": what},
                settled_by="channels",
            )
            for name in free
            if name in numeric and not SPEND.isdisjoint(tokens(name)) and (what := no_media(name))
            if not set(_CONTROLS) & set(tokens(name))
        ]
        spec = spec.but(channels=roles or None)
        for role in roles:
            exposure = f", its impressions in '{role.impressions}'" if role.impressions else ""
            findings.append(
                _guess(
                    "channel",
                    str(role.spend),
                    f"Column '{role.spend}' was read as spend of '{role.channel}'{exposure}.",
                    channel=role.channel,
                )
            )
        findings += [
            Finding(
                "total_column",
                f"Column '{name}' is called a total and was not used as a channel: name the "
                "channels in the spec, with it or without it.",
                {"column": name},
                settled_by="channels",
            )
            for name in totals
        ]
        used |= {n for role in roles for n in (role.spend, role.impressions) if n} | set(totals)
        free = [name for name in free if name not in used]
    if not spec.outcome_columns:
        # An empty column comes after all others, and is then told as an outcome that is empty.
        ranked = sorted(
            (n not in numeric and n not in text, *match, table.header.index(n), n)
            for n in free
            if (match := _outcome_like(n, _OUTCOMES)) is not None
        )
        if ranked:
            outcome = ranked[0][-1]
            spec = spec.but(outcome=outcome)
            findings.append(
                _guess("outcome", outcome, f"Column '{outcome}' was read as the outcome.")
            )
            free.remove(outcome)
    rivals = [
        n
        for n in free
        if n in numeric
        and _outcome_like(n, _RESULTS) is not None
        and not set(tokens(n)) & set(_NOT_A_RESULT)
        and not {cell.strip() for cell in table.text(n)} <= {"", "0", "1", "0.0", "1.0"}
    ]
    if rivals and spec.outcome_columns:
        findings.append(_rivals(rivals))
        free = [name for name in free if name not in rivals]
    if spec.events is None:
        labels = [n for n in free if n in text and set(tokens(n)) & set(_EVENTS)]
        if labels:
            spec = spec.but(events=labels[0])
            findings.append(
                _guess("events", labels[0], f"Column '{labels[0]}' was read as labels of events.")
            )
            free.remove(labels[0])
    if spec.controls is None:
        chosen = [
            n
            for n in free
            # a column that is mostly empty would be mostly made up
            if set(tokens(n)) & set(_CONTROLS)
            and not spend_like(n)
            and (numeric.get(n, 0.0) >= 0.9 or as_control(table.text(n)))
        ]
        spec = spec.but(controls=chosen)
        for name in chosen:
            findings.append(_guess("control", name, f"Column '{name}' was read as a control."))
            free.remove(name)
    spec = spec.but(events=spec.events or "", geo=spec.geo or "")
    left = [n for n in free if n in numeric or n in text]
    return spec, [*findings, *columns_left_out(left, spec, judged=judged)]


def columns_left_out(names: Sequence[str], spec: Spec, *, judged: bool) -> list[Finding]:
    """What to say of columns that have no role, unless the spec says that this is right.

    It is a warning for good until somebody ``judged`` which columns have one.
    """
    names = [name for name in names if name not in (spec.ignore or ())]
    if not names:
        return []
    text = (
        f"Not used: {', '.join(map(repr, names[:20]))}{' and more' if len(names) > 20 else ''}. "
        "Name a column in the spec to give it a role (controls, if it moves sales), or under "
        "'ignore'."
    )
    return [
        Finding("columns_left_out", text, {"columns": names[:200]}, None if judged else "ignore")
    ]


def buys_media(header: Sequence[str]) -> bool:
    """Whether columns are those of a platform that buys media for others and bills them."""
    return any(" ".join(tokens(name)).startswith(_BUYING) for name in header)


def names_a_result(name: str) -> bool:
    """Whether a column's name is one of what media bring about."""
    return _outcome_like(name, _RESULTS) is not None


def _outcome_like(name: str, names: Sequence[str]) -> tuple[int, bool] | None:
    """How well a column's name fits an outcome's, as ``_match``; None where it does not."""
    own = tokens(name)
    return None if set(own) & set(_NOT_AN_OUTCOME) else _match(own, names)


def _rivals(names: Sequence[str]) -> Finding:
    """What to say of columns that are results too: as controls they would explain the outcome."""
    shown = ", ".join(map(repr, names[:20])) + (" and more" if len(names) > 20 else "")
    return Finding(
        "other_outcomes",
        f"{shown}: results as well, so no control is made of them (they would give away what is "
        "to be explained) and they are not used. Name several columns in 'outcomes', each with the "
        "value of one unit, to add them up.",
        {"columns": list(names[:200])},
    )


def no_media(name: str) -> str:
    """What a column is by its name, where that is not the spend of media, else "".

    >>> no_media("Cost / conv."), no_media("cumulative_spend"), no_media("tv_spend")
    ('a rate or an average', 'a sum to date', '')
    """
    own = set(tokens(name))
    if re.search(r"(?:cost|spend)s?\s*/", name, re.IGNORECASE):
        own.add("per")
    if own & {"cost", "costs"} and own & set(_OTHER_COSTS):
        own.add("cogs")
    return next((what for what, names in _NO_MEDIA.items() if own & set(names.split())), "")


def spend_like(name: str) -> bool:
    """Whether a column's name is that of spend on media."""
    if no_media(name):
        return False
    return bool(set(tokens(name)) & SPEND) or re.search(r"[^_]_S$", name) is not None


def _bare_names(columns: Sequence[str]) -> list[str]:
    """Channel names: the columns' names without the words for spend and the words all share."""
    pieces = [re.findall(r"[^\W_]+", re.sub(r"_S$", "", name)) for name in columns]
    common: set[str] = set(SPEND)
    if len(columns) > 1:
        common |= set.intersection(*({word.casefold() for word in own} for own in pieces))
    out = []
    for name, own in zip(columns, pieces, strict=True):
        kept = [word for word in own if word.casefold() not in common]
        out.append("_".join(kept) or name)
    return out if len(set(out)) == len(out) else list(columns)


def _guess_channels(free: Sequence[str]) -> tuple[list[ChannelRole], list[str]]:
    """Spend columns with their exposure, and columns that call themselves totals of spend."""
    spend = [name for name in free if spend_like(name)]
    totals = [name for name in spend if set(tokens(name)) & TOTALS]
    if len(totals) == len(spend):
        totals = [name for name in spend if called_total(name)]  # a word of all tells none apart
    spend = [name for name in spend if name not in totals]
    exposure = {
        frozenset(set(tokens(name)) - set(_IMPRESSIONS) - {"i"}): name
        for name in reversed(free)
        if set(tokens(name)) & set(_IMPRESSIONS) or re.search(r"[^_]_I$", name)
    }
    roles = [
        ChannelRole(
            channel=plain_name(bare),
            spend=column,
            impressions=exposure.get(frozenset(tokens(bare))),
        )
        for column, bare in zip(spend, _bare_names(spend), strict=True)
    ]
    return roles, totals
