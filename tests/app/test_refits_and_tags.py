"""Over HTTP: refits of what has not changed, and curves that a caller has already."""

from __future__ import annotations

from shared.api.dataset_messages import RunAnswer
from tests.app.client import Client


def test_curves_that_the_caller_has_are_not_sent_again(api: Client, fitted: str) -> None:
    first = api.get(f"datasets/{fitted}/curves")
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = api.send("GET", f"datasets/{fitted}/curves", None, {"if-none-match": known})
        assert (again.status, again.body) == (304, b""), known
        assert again.headers["etag"] == tag
    version = first.json["version"]
    path = f"datasets/{fitted}/curves/{version}"
    assert api.send("GET", path, None, {"if-none-match": tag}).status == 304
    other = api.send("GET", path, None, {"if-none-match": '"v20200101T000000Z-x"'})
    assert other.json == first.json


def test_what_has_not_changed_is_fitted_only_by_force(api: Client, fitted: str) -> None:
    current = api.get(f"datasets/{fitted}/curves").json["version"]
    versions = api.get(f"datasets/{fitted}/curves/versions").json["versions"]
    queued = api.send("POST", f"datasets/{fitted}/refit", b"")
    run = RunAnswer.model_validate(api.wait_for_run(queued.headers["location"]))
    assert (run.state, run.unchanged, run.curves_version) == ("kept_previous", True, None)
    assert run.reasons[0].startswith("Unchanged")
    assert api.get(f"datasets/{fitted}/curves").json["version"] == current
    assert api.get(f"datasets/{fitted}/curves/versions").json["versions"] == versions
    forced = api.send("POST", f"datasets/{fitted}/refit?force=true", b"")
    assert forced.status == 202, forced.body
    run = RunAnswer.model_validate(api.wait_for_run(forced.headers["location"]))
    assert not run.unchanged
    assert run.curves_version is not None
    assert api.send("POST", f"datasets/{fitted}/refit?force=maybe", b"").errors().keys() == {
        "/force"
    }
