"""The command line: ``marginal upload brand table.xlsx``, ``marginal plan brand --budget 280k``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .client import Client, NotDoneError, RefusedError, UnreachableError

__all__ = ["main", "money"]

_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9}


def money(text: str) -> float:
    """An amount as people write it.

    >>> [money(text) for text in ("280k", "1.5M", "1,200")]
    [280000.0, 1500000.0, 1200.0]
    """
    plain = text.replace(",", "").strip().lower()
    unit = _UNITS.get(plain[-1:], 1.0)
    return float(plain.rstrip("kmb")) * unit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 where it was done, 1 where it was refused, 2 where nobody answered."""
    asked = _parser().parse_args(arguments)
    # A key on the command line would be seen by everybody who lists processes.
    client = Client(asked.url, os.environ.get("MARGINAL_KEY", ""))
    try:
        told = asked.run(client, asked)
    except (RefusedError, NotDoneError, OSError, ValueError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except UnreachableError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps(told, indent=1) if asked.json else asked.show(told))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="marginal", description="A client of Marginal.")
    url = os.environ.get("MARGINAL_URL", "http://127.0.0.1:7071/api/v1")
    parser.add_argument("--url", default=url, help="ends in /api/v1; or MARGINAL_URL")
    parser.add_argument("--json", action="store_true", help="the service's answer as it is")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    plan = commands.add_parser("plan", help="the best allocation of a budget")
    plan.add_argument("dataset")
    plan.add_argument("--budget", type=money, required=True, help="per period: 280k, 1.5m, 1200")
    plan.set_defaults(run=_plan, show=_plan_text)

    upload = commands.add_parser("upload", help="store a history, in any form that tables have")
    upload.add_argument("dataset")
    upload.add_argument("table", type=Path)
    upload.add_argument("--spec", type=Path, help="a JSON file: the roles of the columns")
    upload.add_argument("--outcomes", action="store_true", help="the table is of outcomes")
    upload.set_defaults(run=_upload, show=_upload_text)

    refit = commands.add_parser("refit", help="fit the curves now, and wait for them")
    refit.add_argument("dataset")
    refit.add_argument("--force", action="store_true", help="though nothing changed")
    refit.set_defaults(run=_refit, show=_refit_text)

    datasets = commands.add_parser("datasets", help="what is stored")
    datasets.set_defaults(run=lambda client, _: client.get("datasets"), show=_datasets_text)
    return parser


def _plan(client: Client, asked: argparse.Namespace) -> Any:
    return client.optimize(dataset=asked.dataset, budget=asked.budget)


def _plan_text(answer: Any) -> str:
    rows = answer["allocation"]
    wide = max(len(row["channel"]) for row in rows)
    lines = [f"{row['channel']:<{wide}}  {row['spend']:>14,.2f}" for row in rows]
    return "\n".join([*lines, "", *(said["text"] for said in answer["explanation"])])


def _upload(client: Client, asked: argparse.Namespace) -> Any:
    spec = None if asked.spec is None else json.loads(asked.spec.read_text("utf-8"))
    part = "outcomes" if asked.outcomes else "history"
    return client.upload(asked.dataset, asked.table, part=part, spec=spec)


def _upload_text(told: Any) -> str:
    found = [f"- {finding['message']}" for finding in told["findings"]]
    return "\n".join([f"{told['rows']} rows, {told['first']} to {told['last']}", *found])


def _refit(client: Client, asked: argparse.Namespace) -> Any:
    return client.refit(asked.dataset, force=asked.force)


def _refit_text(run: Any) -> str:
    return "\n".join([run["state"], *(f"- {reason}" for reason in run["reasons"])])


def _datasets_text(told: Any) -> str:
    return "\n".join(entry["dataset"] for entry in told["datasets"])


if __name__ == "__main__":
    raise SystemExit(main())
