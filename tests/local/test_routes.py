"""Route matching against the host's rules."""

from __future__ import annotations

import pytest

from local.routes import match, parse_route

ROUTES = [
    parse_route("datasets/{dataset}/curves/{version}", ["GET"], "one"),
    parse_route("datasets/{dataset}/curves/versions", ["GET"], "versions"),
    parse_route("datasets/{dataset}/curves", ["GET"], "current"),
    parse_route("datasets/{dataset}/curves/{version}/promote", ["POST"], "promote"),
    parse_route("datasets/{dataset}/history", ["PUT"], "put"),
    parse_route("datasets/{dataset}/history", ["GET"], "get"),
    parse_route("items/{number:int}", ["GET"], "by_number"),
    parse_route("items/{name}", ["GET"], "by_name"),
    parse_route("files/{*path}", ["GET"], "files"),
    parse_route("maybe/{part?}", ["GET"], "maybe"),
]


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        ("GET", "/datasets/brand/curves", "current", {"dataset": "brand"}),
        ("GET", "/datasets/brand/curves/versions", "versions", {"dataset": "brand"}),
        ("GET", "/datasets/brand/curves/v1", "one", {"dataset": "brand", "version": "v1"}),
        ("GET", "/DataSets/brand/CURVES/Versions", "versions", {"dataset": "brand"}),
        ("get", "datasets/brand/history/", "get", {"dataset": "brand"}),
        ("PUT", "/datasets/brand/history", "put", {"dataset": "brand"}),
        ("GET", "/datasets/a%20b%2Fc/history", "get", {"dataset": "a b%2Fc"}),
        ("GET", "/items/12", "by_number", {"number": "12"}),
        ("GET", "/items/twelve", "by_name", {"name": "twelve"}),
        ("GET", "/files/a/b/c", "files", {"path": "a/b/c"}),
        ("GET", "/files", "files", {"path": ""}),
        ("GET", "/maybe", "maybe", {}),
        ("GET", "/maybe/yes", "maybe", {"part": "yes"}),
    ],
)
def test_a_path_finds_its_function(
    method: str, path: str, function: str, parameters: dict[str, str]
) -> None:
    found = match(ROUTES, method, path)
    assert found is not None
    assert (found[0].function, found[1]) == (function, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/datasets/brand/curves"),
        ("GET", "/datasets/brand"),
        ("GET", "/datasets//curves"),
        ("GET", "/datasets/brand/curves/v1/promote"),
        ("GET", "/datasets/brand/curves/v1/extra"),
        ("GET", "/"),
        ("GET", "/curves"),
    ],
)
def test_what_matches_no_route(method: str, path: str) -> None:
    assert match(ROUTES, method, path) is None


@pytest.mark.parametrize(
    "template", ["a/{b", "a/x{b}", "a/{b?}/c", "{*rest}/c", "a/{b}/{b}", "a/{b:date}", "a/{1b}"]
)
def test_a_template_that_is_none(template: str) -> None:
    with pytest.raises(ValueError, match="route '"):
        parse_route(template, ["GET"], "f")


def test_the_order_of_registration_does_not_matter() -> None:
    for routes in (ROUTES, ROUTES[::-1]):
        found = match(routes, "GET", "datasets/brand/curves/versions")
        assert found is not None
        assert found[0].function == "versions"
