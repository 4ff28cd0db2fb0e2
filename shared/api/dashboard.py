"""The planning page over HTTP: an empty shell for anyone, whose data the page asks for by key."""

from __future__ import annotations

import hashlib
import re

from shared.api.http import Call, Reply
from shared.store.bundle import bundled

__all__ = ["KINDS", "POLICY", "asset", "shell"]

SHELL = "index.html"

KINDS = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "csv": "text/csv",
    "json": "application/json",
    "txt": "text/plain",
}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing from elsewhere, nothing inline, no eval, in nobody's frame."""

_GUARDED = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"

_HASHED = re.compile(r".+-[A-Z0-9]{8}\.\w+")
"""A name that holds its content's hash: other content has another name."""


def shell(call: Call) -> Reply:
    """``GET /dashboard``"""
    if call.path.endswith("/"):  # the shell names its files relative to its own address
        return Reply(None, status=308, headers={"Location": "../dashboard"})
    return _file(SHELL)


def asset(call: Call) -> Reply:
    """``GET /dashboard/{file}``"""
    return _file(call.route["file"])


def _file(name: str) -> Reply:
    content = bundled(name)
    headers = {
        **_GUARDED,
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        "Cache-Control": _FOR_GOOD if _HASHED.fullmatch(name) else _ASK_AGAIN,
    }
    return Reply(content, headers=headers, content_type=KINDS[name.rpartition(".")[2]])
