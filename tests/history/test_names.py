"""Names that may be one, and names that are not."""

from __future__ import annotations

import pytest

from shared.history.names import similar_names
from shared.history.parse import parse


@pytest.mark.parametrize(
    ("names", "how"),
    [
        (["TV", "tv"], "capital letters only"),
        (["paid social", "Paid_Social"], "spaces and marks"),
        (["paidsocial", "paid social"], "spaces and marks"),
        (["facebook", "facebok"], "one slip"),
        (["facebook ads", "faecbook ads"], "one slip"),
        (["display", "displays"], "one slip"),
        (["youtube 1", "youtbe 1"], "one slip"),
    ],
)
def test_names_that_may_be_one(names: list[str], how: str) -> None:
    (finding,) = similar_names(names, "channels")
    assert sorted(finding.data["channels"]) == sorted(names)
    assert how in finding.message


@pytest.mark.parametrize(
    "names",
    [
        ["tv", "tw"],
        ["campaign 1", "campaign 2"],
        ["channel10", "channel11"],
        ["banner a", "banner b"],
        ["search brand", "search generic"],
        ["native", "active"],
        ["mailing", "sailing"],
        ["tv", "tv"],
        ["google search", "google shopping"],
        ["?", "!"],
        [],
    ],
)
def test_names_of_different_things(names: list[str]) -> None:
    assert similar_names(names, "channels") == []


def test_long_lists_are_compared_by_their_letters_alone() -> None:
    names = [f"letters {chr(97 + i // 26)}{chr(97 + i % 26)} facebook" for i in range(400)]
    assert similar_names([*names, "Facebook", "face-book"], "geos")[0].data == {
        "geos": ["Facebook", "face-book"]
    }


def test_channels_campaigns_and_geos_of_a_history() -> None:
    wide = b"date,region,sales,spend_facebook,spend_facebok\n"
    wide += b"".join(
        f"2024-01-{d:02d},{g},{9 - d},{d},2\n".encode() for d in range(1, 9) for g in ("n+", "n#")
    )
    found = [f.data for f in parse(None, wide).findings if f.code == "similar_names"]
    assert found == [{"channels": ["facebok", "facebook"]}, {"geos": ["n#", "n+"]}]
    long = b"date,channel,campaign,spend,revenue\n"
    long += b"2024-01-01,tv,Spring,1,1\n2024-01-08,tv,spring,1,1\n2024-01-15,tv,fall,1,1\n"
    found = [f.data for f in parse(None, long).findings if f.code == "similar_names"]
    assert found == [{"campaigns": ["tv/Spring", "tv/spring"]}]
