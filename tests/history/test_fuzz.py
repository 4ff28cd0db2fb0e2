"""Bodies that are broken at random: read, or refused with what is wrong, whatever they hold."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable

import pytest

from shared.errors import InputTooLarge, InvalidInput
from shared.history.formats import media_of
from shared.history.parse import Upload, check_upload
from tests.history.forms import NUMBERS, OUTCOMES, WEEKS
from tests.history.test_exports import EXPORTS

FEW = 200
MANY = 10_000
PIECES = [
    *(b'"', b"'", b",", b";", b"\t", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xc3", b"-", b"."),
    *(b"1e999", b"NaN", b"--", b"2024-13-45", b"01/02/03", b"1.234,5", b"(3)", b"Total", b"=A1"),
    *(b"{", b"}", b"[", b"]", b"null", b'{"a": {"b": []}}', b"9" * 300, b"\xe2\x82\xac", b"#"),
]


def bodies() -> list[bytes]:
    """Exports, a wide table in several encodings, JSON, gzip: short ones of each."""
    whole = [b"\n".join(export().splitlines()[:24]) for export in EXPORTS.values()]
    wide = "date,revenue,spend_tv,spend_search\n" + "".join(
        f"{day},{NUMBERS['plain'](a)},{b},{c}\n" for day, a, b, c in WEEKS[:20]
    )
    records = [
        dict(zip(("date", "revenue", "spend_tv"), map(str, row), strict=False)) for row in WEEKS[:9]
    ]
    whole += [wide.encode(), wide.encode("utf-16"), json.dumps(records).encode()]
    return [*whole, gzip.compress(wide.encode(), mtime=0), OUTCOMES.encode()[:400]]


def broken(chance: random.Random, body: bytes, other: bytes) -> bytes:
    """A body with one to three cuts, copies, swaps or pieces of another in it."""
    for _ in range(chance.randint(1, 3)):
        at, to = sorted(chance.randrange(len(body) + 1) for _ in range(2))
        part: Callable[[], bytes] = chance.choice(
            [
                lambda: b"",
                lambda: chance.choice(PIECES),
                lambda at=at, to=to, body=body: body[at:to] * 2,
                lambda: other[: chance.randrange(len(other))],
                lambda: chance.randbytes(chance.randint(1, 8)),
            ]
        )
        short = min(to, at + chance.choice([0, 1, 5, 40]))
        body = body[:at] + part() + body[short:]
    return body[:20_000]


def judged(body: bytes, beside: bytes | None, *, alone: bool) -> Upload | InvalidInput | None:
    """What is said of a body, as a history or as outcomes ``alone``; None where it is too large."""
    try:
        return check_upload(None, None if alone else body, body if alone else beside)
    except InputTooLarge:
        return None
    except InvalidInput as error:
        return error


def assert_read_or_refused(count: int, seed: int) -> None:
    chance, every = random.Random(seed), bodies()
    read = 0
    for _ in range(count):
        body = broken(chance, chance.choice(every), chance.choice(every))
        beside = chance.choice([None, None, OUTCOMES.encode()])
        told = judged(body, beside, alone=chance.random() < 0.1)
        assert media_of(body)
        if isinstance(told, InvalidInput):
            assert told.faults
            for fault in told.faults:
                assert fault.message, body
                assert fault.pointer[:1] in ("", "/"), body
        elif told is not None:
            read += 1
            json.dumps(told.to_dict(), allow_nan=False)
    assert 0.01 * count < read < 0.9 * count


def test_broken_bodies_are_read_or_refused() -> None:
    assert_read_or_refused(FEW, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_many_broken_bodies_are_read_or_refused(seed: int) -> None:
    assert_read_or_refused(MANY // 10, seed=100 + seed)
