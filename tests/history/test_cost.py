"""What reading a table costs: counted work that grows with the table, and refusals before any."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import pytest

from shared.errors import InputTooLarge, InvalidInput, near_names
from shared.history.association import drivers_of
from shared.history.formats import MAX_CELLS, MAX_COLUMNS, MAX_ROWS
from shared.history.parse import check_upload
from shared.history.reading import read_table
from shared.history.table import History


class Work:
    """Counts lines run in ``shared``, and how often a text of a table is compared or hashed."""

    def __init__(self) -> None:
        self.count = 0
        self.modules: set[str] = set()

    def _line(self, _frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        self.count += event == "line"
        return self._line

    def _call(self, frame: FrameType, _event: str, _: Any) -> Callable[..., Any] | None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("shared."):
            return None
        self.modules.add(module)
        return self._line

    def of(self, run: Callable[[], Any]) -> int:
        before, Text.looked_at = sys.gettrace(), 0
        sys.settrace(self._call)
        try:
            run()
        except InvalidInput:
            pass  # refusing costs, too
        finally:
            sys.settrace(before)
        self.count += Text.looked_at
        return self.count


class Text(str):
    """A cell that counts what one line of Python may do to thousands: sets, lookups, sorting."""

    __slots__ = ()
    looked_at = 0

    def __hash__(self) -> int:
        Text.looked_at += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        Text.looked_at += 1
        return super().__eq__(other)

    def __lt__(self, other: str) -> bool:
        Text.looked_at += 1
        return super().__lt__(other)

    def strip(self, *_: Any) -> str:
        return self


def texts(table: bytes) -> list[dict[str, str]]:
    """The records of a table of commas, its cells counting."""
    names, *rows = (line.split(",") for line in table.decode().split("\n"))
    return [dict(zip(names, map(Text, row), strict=True)) for row in rows]


def day(number: int, step: int = 7) -> date:
    return date(2010, 1, 4) + timedelta(days=step * number)


def lines(header: str, rows: list[str]) -> bytes:
    return "\n".join((header, *rows)).encode()


def long_rows(size: int) -> tuple[bytes, bytes, None]:
    """Channels, geos and campaigns, more periods where there are more rows."""
    rows = [
        f"{day(i // 40)},c{i % 5},g{i // 5 % 4},k{i // 20 % 2},{i * 37 % 97}" for i in range(size)
    ]
    told = [f"{day(t)},g{g},{900 + (t * 7 + g) % 101}" for t in range(size // 40) for g in range(4)]
    return lines("date,channel,geo,campaign,spend", rows), lines("date,geo,revenue", told), None


def many_geos(size: int) -> tuple[bytes, None, None]:
    rows = [f"{day(i % 10)},g{i // 10},{100 + i * 7 % 13},{i % 5}" for i in range(size)]
    return lines("date,geo,revenue,spend_tv", rows), None, None


def many_channels(size: int) -> tuple[bytes, bytes, None]:
    rows = [f"{day(i % 10)},c{i // 10},{i * i % 7}" for i in range(size)]
    return lines("date,channel,spend", rows), lines("date,revenue", _told(10)), None


def many_campaigns(size: int) -> tuple[bytes, bytes, None]:
    rows = [f"{day(i % 10)},c{i // 300},camp {i // 10},{i * i % 7}" for i in range(size)]
    return lines("date,channel,campaign,spend", rows), lines("date,revenue", _told(10)), None


def _told(periods: int) -> list[str]:
    return [f"{day(t)},{900 + t * 7 % 101}" for t in range(periods)]


def many_columns(size: int) -> tuple[bytes, None, None]:
    rows = [f"{day(t)},{100 + t % 7}," + ",".join(["1"] * (size // 10)) for t in range(12)]
    names = ",".join(f"spend_c{c}" for c in range(size // 10))
    return lines(f"date,revenue,{names}", rows), None, None


def many_events(size: int) -> tuple[bytes, None, None]:
    rows = [f"{day(i, 1)},{100 + i % 7},{i % 5},e{i // 2}" for i in range(size)]
    return lines("date,revenue,spend_tv,event", rows), None, None


def many_faults(size: int) -> tuple[bytes, None, None]:
    rows = [f"{day(i, 1)},x{i},y{i}" for i in range(size)]
    return lines("date,revenue,spend_tv", rows), None, None


def many_commas(size: int) -> tuple[bytes, None, None]:
    rows = [f"{day(i)},{100 + i % 7},{i % 5}" + "," * size for i in range(20)]
    return lines("date,revenue,spend_tv" + "," * size, rows), None, None


def many_unknown(size: int) -> tuple[bytes, None, dict[str, Any]]:
    spec = {"controls": [f"{'control' * 20}{i:04d}" for i in range(size // 4)]}
    rows = [f"{day(t)},{100 + t % 7}," + ",".join(["1"] * 300) for t in range(4)]
    names = ",".join(f"{'control' * 19}{c:04d}" for c in range(300))
    return lines(f"date,revenue,{names}", rows), None, spec


def many_tests(size: int) -> tuple[bytes, None, dict[str, Any]]:
    told = {"channel": "tv", "start": str(day(3)), "end": str(day(5)), "spend_change": 9}
    told |= {"outcome_change": 9, "standard_error": 1, "geo": "g1"}
    history, _, _ = many_geos(200)
    return history, None, {"lift_tests": [told] * (size // 4)}


@pytest.mark.parametrize(
    "table",
    [
        long_rows,
        many_geos,
        many_channels,
        many_campaigns,
        many_columns,
        many_events,
        many_faults,
        many_commas,
        many_unknown,
        many_tests,
    ],
)
def test_work_grows_with_the_table(table: Callable[[int], Any]) -> None:
    """Three times the table is at most some three times the work."""
    count = []
    for size in (1_200, 3_600):
        history, outcomes, spec = table(size)
        counted = history if table is many_commas else texts(history)
        count.append(Work().of(partial(check_upload, spec, counted, outcomes)))
    assert count[1] < 3.6 * count[0]


@pytest.mark.parametrize("cell", ["1" * 130_000, " " * 130_000 + "5", "x" * 201, "1," * 100 + "1"])
@pytest.mark.parametrize("column", ["date", "spend_tv", "note"])
def test_a_cell_too_long_is_refused_before_it_is_read(cell: str, column: str) -> None:
    records = [
        {"date": str(day(i)), "revenue": 100 + i, "spend_tv": i, "note": "n"} for i in range(9)
    ]
    records[6] = {**records[6], column: cell}
    text = "\n".join(",".join(f'"{cell}"' for cell in record.values()) for record in records)
    for table in (records, f"{','.join(records[0])}\n{text}".encode()):
        work = Work()

        def run(table: Any = table) -> None:
            check_upload(None, table)

        with pytest.raises(InvalidInput) as caught:
            run()
        (fault,) = caught.value.faults
        assert (fault.pointer, fault.code) == (f"/rows/8/{column}", "too_long")
        assert f"Row 8, column '{column}': the cell has {len(cell):,} characters" in fault.message
        work.of(run)
        assert work.modules <= {
            "shared.errors",
            "shared.history.faults",
            "shared.history.parse",
            "shared.history.formats",
            "shared.history.layout",
            "shared.history.reading",
            "shared.history.spec",
        }


def test_a_name_too_long_is_refused() -> None:
    for table in (
        f"date,revenue,spend_{'x' * 300}\n2024-01-01,1,2\n".encode(),
        [{"date": "2024-01-01", "revenue": 1, f"spend_{'x' * 300}": 2}],
    ):
        with pytest.raises(InvalidInput) as caught:
            read_table(table)
        assert [fault.code for fault in caught.value.faults] == ["too_long"]
        assert "name of column 3 has 306 characters" in str(caught.value)


def test_the_longest_cell_is_read() -> None:
    table = read_table(f"date,note\n2024-01-01,{'x' * 200}\n".encode())
    assert table.cells("note") == ["x" * 200]


def test_the_widest_table_is_read_and_a_wider_one_refused_at_its_header() -> None:
    names = ",".join(f"c{i}" for i in range(MAX_COLUMNS))
    assert len(read_table(f"{names}\n{',' * (MAX_COLUMNS - 1)}1\n".encode()).header) == MAX_COLUMNS
    with pytest.raises(InputTooLarge, match="2,000 columns"):
        read_table(f'{names},more\n"not even closed'.encode())
    with pytest.raises(InputTooLarge, match="2,000 columns: with row 27 they are 2,080"):
        read_table([{f"k{row}_{i}": 1 for i in range(80)} for row in range(30)] + [None])


def test_separators_at_the_ends_of_lines_are_no_columns() -> None:
    """However many: neither name nor content stands between them."""
    bare = read_table(b"date,tv\n2024-01-01,1\n2024-01-08,2\n")
    commas = b"," * 100_000
    table = read_table(b"date,tv%b\n2024-01-01,1%b\n2024-01-08,2\n" % (commas, commas))
    assert table.frame.equals(bare.frame)


def test_more_rows_than_are_taken() -> None:
    with pytest.raises(InputTooLarge, match="1,000,000 rows"):
        read_table(b"d,r\n" + b"1,2\n" * (MAX_ROWS + 1))
    with pytest.raises(InputTooLarge, match="1,000,000 rows"):
        read_table([{}] * (MAX_ROWS + 1))


def test_rows_that_hold_little_of_many_columns() -> None:
    """A few bytes of JSON a row stand for thousands of cells."""
    count = MAX_CELLS // 1_000 + 1
    rows = [{f"c{i % 1_000}": 1} for i in range(count)]
    with pytest.raises(InputTooLarge, match=f"{count:,} rows of 1,000 columns"):
        read_table(rows)


def test_campaigns_and_geos_that_would_fill_the_memory() -> None:
    """Each row a campaign of its own: laid out, nearly all cells would be empty."""
    rows = [f"{day(i, 1)},tv,c{i},{i % 5}" for i in range(2_500)]
    told = lines("date,revenue", [f"{day(t, 1)},{900 + t * 7 % 101}" for t in range(2_500)])
    with pytest.raises(InputTooLarge, match="2,500 periods and geos of 2,500 channels and campai"):
        check_upload(None, lines("date,channel,campaign,spend", rows), told)
    rows = [f"{day(i, 1)},a,{100 + i % 7},{i % 5}" for i in range(9_000)]
    rows += [f"{day(i, 1)},g{g},{100 + i % 7},{i % 5}" for g in range(600) for i in range(8)]
    with pytest.raises(InputTooLarge, match="601 geos over 9,000 periods"):
        check_upload(None, lines("date,geo,revenue,spend_tv", rows))


def test_what_drives_spend_is_looked_for_where_there_is_time() -> None:
    """Labels of events and channels: those with the most, the fewer the longer the history."""
    periods, channels = 10_000, 80
    rng = np.random.default_rng(1)
    spend = rng.uniform(1, 2, (periods, channels)) * np.arange(1, channels + 1)
    history = History(
        dates=tuple(day(t, 1) for t in range(periods)),
        frequency="day",
        outcome_name="revenue",
        outcome=rng.uniform(1, 2, periods),
        channels=tuple(f"c{c}" for c in range(channels)),
        spend=spend,
        control_names=(),
        controls=np.zeros((periods, 0)),
        events=tuple(f"e{t // 3}" for t in range(periods)),
    )
    drivers = drivers_of(history)
    assert 30 <= len(drivers) < channels
    most = {f"c{channels - 1 - i}" for i in range(len(drivers))}
    assert {driver.channel for driver in drivers} == most


def test_near_names_of_long_and_many_names() -> None:
    """The same steps whatever the letters: those that repeat are the worst for other measures."""
    known = [f"{'ab' * 100}{i}" for i in range(300)]
    counts = set()
    for wanted in ("ba" * 100, "a" * 200, "".join(chr(97 + i % 26) for i in range(200))):
        work = Work()
        work.of(lambda wanted=wanted: near_names(wanted, known))
        counts.add(work.count)
    assert max(counts) < 1.2 * min(counts)
    assert near_names("facebok", ["search", "facebook", "tv"]) == ["facebook"]
    assert near_names("serach", ["search", "social"]) == ["search"]
    assert near_names("", ["search"]) == near_names("tv", []) == []


def test_near_names_share_most_letters_in_order() -> None:
    """By the longest common subsequence as its definition has it."""

    def common(a: str, b: str) -> int:
        if not a or not b:
            return 0
        if a[-1] == b[-1]:
            return common(a[:-1], b[:-1]) + 1
        return max(common(a[:-1], b), common(a, b[:-1]))

    rng = np.random.default_rng(3)
    for _ in range(300):
        one, other = ("".join(rng.choice(list("abc"), rng.integers(1, 7))) for _ in "12")
        near = 2 * common(one, other) >= 0.6 * (len(one) + len(other))
        assert near_names(one, [other]) == [other] * near
