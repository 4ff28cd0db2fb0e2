"""HTTP routes as the Azure Functions host matches them (ASP.NET Core route templates).

Supported: literals (any case), ``{name}``, ``{name?}`` at the end, ``{*rest}`` at the end and the
constraints ``int``, ``alpha`` and ``guid``. Of several matches the one with the earlier literal
segment wins: ``curves/versions`` before ``curves/{version}``. A route that matches with another
method does not match at all: the host answers 404, not 405.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["Route", "match", "parse_route"]

_CONSTRAINTS = {
    "int": re.compile(r"-?\d{1,10}"),
    "alpha": re.compile(r"[A-Za-z]*"),
    "guid": re.compile(r"[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}"),
}
_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)(?::(\w+))?(\?)?\}")

# How specific a segment is; lower wins, compared from the left (as ASP.NET Core's precedence).
_LITERAL, _CONSTRAINED, _PARAMETER_RANK, _CATCH_ALL = 1, 2, 3, 5


@dataclass(frozen=True, slots=True)
class _Segment:
    rank: int
    text: str  # the literal in lower case, or the parameter's name
    constraint: re.Pattern[str] | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A parsed template with the methods it serves and the function it leads to."""

    template: str
    methods: frozenset[str]
    function: str
    segments: tuple[_Segment, ...]

    @property
    def precedence(self) -> tuple[int, ...]:
        """Sorts the more specific route first."""
        return tuple(s.rank for s in self.segments)

    @property
    def shape(self) -> tuple[str, ...]:
        """Equal for two routes that match the same paths: parameters' names do not matter."""
        return tuple(s.text if s.rank == _LITERAL else f"{{{s.rank}}}" for s in self.segments)

    def parameters(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """Route parameters where ``path`` (segments, decoded) matches; else None."""
        found: dict[str, str] = {}
        for i, segment in enumerate(self.segments):
            if segment.rank == _CATCH_ALL:
                found[segment.text] = "/".join(path[i:])
                return found
            if i >= len(path):
                if segment.optional:
                    return found
                return None
            if segment.rank == _LITERAL:
                if path[i].lower() != segment.text:
                    return None
            elif not path[i] or (segment.constraint and not segment.constraint.fullmatch(path[i])):
                return None
            else:
                found[segment.text] = path[i]
        return found if len(path) == len(self.segments) else None


def parse_route(template: str, methods: Iterable[str], function: str) -> Route:
    """Parse a route template; ValueError with a sentence where it is none.

    >>> parse_route("datasets/{dataset}/curves", ["GET"], "get_curves").shape
    ('datasets', '{3}', 'curves')
    """
    segments: list[_Segment] = []
    parts = [part for part in template.strip("/").split("/") if part]
    for i, part in enumerate(parts):
        if "{" not in part and "}" not in part:
            segments.append(_Segment(_LITERAL, part.lower()))
            continue
        found = _PARAMETER.fullmatch(part)
        if found is None:
            raise ValueError(f"route '{template}': '{part}' is no literal and no {{parameter}}")
        stars, name, constraint, optional = found.groups()
        if constraint and constraint not in _CONSTRAINTS:
            known = ", ".join(sorted(_CONSTRAINTS))
            raise ValueError(
                f"route '{template}': the constraint '{constraint}' is not known here ({known})"
            )
        if (stars or optional) and i != len(parts) - 1:
            raise ValueError(f"route '{template}': '{part}' may only stand at the end")
        if any(s.rank != _LITERAL and s.text == name for s in segments):
            raise ValueError(f"route '{template}': the parameter '{name}' appears twice")
        rank = _CATCH_ALL if stars else _CONSTRAINED if constraint else _PARAMETER_RANK
        segments.append(
            _Segment(rank, name, _CONSTRAINTS.get(constraint or ""), optional=bool(optional))
        )
    return Route(template, frozenset(m.upper() for m in methods), function, tuple(segments))


def match(
    routes: Iterable[Route], method: str, raw_path: str
) -> tuple[Route, dict[str, str]] | None:
    """Find the route for a request.

    Parameters
    ----------
    raw_path
        Still percent-encoded, without prefix and query. ``%2F`` stays encoded, so that an encoded
        slash never makes a new segment (as Kestrel does).

    Examples
    --------
    >>> routes = [parse_route("curves/{version}", ["GET"], "one"),
    ...           parse_route("curves/versions", ["GET"], "all")]
    >>> match(routes, "GET", "curves/versions")[0].function
    'all'
    >>> match(routes, "POST", "curves/versions") is None
    True
    """
    stripped = raw_path.strip("/")
    path = tuple(_decode(part) for part in stripped.split("/")) if stripped else ()
    best: tuple[Route, dict[str, str]] | None = None
    for route in routes:
        if method.upper() not in route.methods:
            continue
        parameters = route.parameters(path)
        if parameters is not None and (best is None or route.precedence < best[0].precedence):
            best = (route, parameters)
    return best


def _decode(part: str) -> str:
    return "%2F".join(unquote(piece) for piece in re.split("%2[Ff]", part))
