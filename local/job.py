"""The main job over HTTP: a history in, a refit through the queue, a plan for its budget out."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.marginal_client import Client
from local.host import ROOT
from local.report import certificate_lines, money, plan_table, sentences, truth_lines
from shared.figures import plural
from shared.frequency import word

__all__ = [
    "Job",
    "NoOutcomesError",
    "dataset_name",
    "own_job",
    "run_job",
    "sample_job",
]

_FIT_LIMIT_S = 1800.0  # host.json's functionTimeout


class NoOutcomesError(Exception):
    """The history holds spend only, and no table of outcomes was given."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to store and ask; ``budget`` None is what is spent today, ``truth`` is the sample's.

    ``current``: so many last periods stand for today; None: as the service has it.
    """

    dataset: str
    title: str
    history: bytes
    spec: Mapping[str, Any] | None = None
    outcomes: bytes | None = None
    budget: float | None = None
    truth: Mapping[str, Any] | None = None
    current: int | None = None


def sample_job(budget: float | None = None) -> Job:
    """The simulated brand of ``samples/``, with its truth."""
    folder = ROOT / "samples"
    return Job(
        dataset="sample-brand",
        title="the sample: a simulated brand, four years by week, eight channels",
        history=(folder / "brand.csv").read_bytes(),
        spec=json.loads((folder / "brand_spec.json").read_text("utf-8")),
        budget=budget,
        truth=json.loads((folder / "brand_truth.json").read_text("utf-8")),
    )


def own_job(history: Path, spec: Path | None, outcomes: Path | None, budget: float | None) -> Job:
    """A user's own file; OSError or ValueError with a sentence where one cannot be read."""
    try:
        roles = None if spec is None else json.loads(spec.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{spec} is not JSON: {error}") from None
    return Job(
        dataset=dataset_name(history),
        title=str(history),
        history=history.read_bytes(),
        spec=roles,
        outcomes=None if outcomes is None else outcomes.read_bytes(),
        budget=budget,
    )


def dataset_name(path: Path) -> str:
    """A dataset name made of a file's.

    >>> dataset_name(Path("/data/Brand A (2025).csv"))
    'brand-a-2025'
    """
    name = re.sub("[^a-z0-9_]+", "-", path.stem.lower()).strip("-_")[:63].strip("-_")
    return name or "history"


def run_job(client: Client, job: Job) -> bool:
    """Do the job and print it; whether there is a plan.

    Raises
    ------
    RefusedError
        Where the service refuses the history or the question; its text says why.
    NoOutcomesError
        Where the history has no outcome and none were given beside it.
    RuntimeError
        Where the refit failed or did not end.
    """
    _heading(f"History: {job.title}")
    where = f"datasets/{job.dataset}"
    if job.spec is not None:
        client.put_json(f"{where}/spec", job.spec)
    stored = client.put_csv(f"{where}/history", job.history)
    if job.outcomes is not None:
        stored = client.put_csv(f"{where}/outcomes", job.outcomes)
    _tell_stored(stored)
    if not stored["roles"].get("outcome"):
        raise NoOutcomesError(
            "This history holds spend only. Give the outcomes beside it:\n"
            "  ./run --history SPEND.csv --outcomes OUTCOMES.csv"
        )

    _heading("Refit, through the queue")
    run = _wait(client, f"{where}/runs/{client.post(f'{where}/refit')['run']}")
    for reason in run["reasons"]:
        print(f"- {reason}")
    if run["state"] == "failed":
        raise RuntimeError("The refit failed; its reasons are above.")
    if run["state"] != "promoted":
        print()
        print("No plan is given. The curves are stored, but they did not pass the check that lets")
        print("a budget rest on them; a recommendation from them would be a guess in disguise.")
        print(f"To look at them: GET {client.base}/{where}/curves/{run['curves_version']}")
        return False

    _plan(client, job, client.get(f"{where}/curves"))
    return True


def _plan(client: Client, job: Job, curves: Mapping[str, Any]) -> None:
    asked: dict[str, Any] = {"dataset": job.dataset}
    asked |= {"budget_change": 0.0} if job.budget is None else {"budget": job.budget}
    if job.current is not None:
        asked["current"] = {"last": job.current}
    answer = client.post("optimize", asked)
    frequency, over = word(curves["frequency"]), answer["current_over"]
    days = f"the mean of {plural(over['periods'], frequency)}, {over['from']} to {over['to']}"
    budget = answer["totals"]["current_spend"] if job.budget is None else job.budget
    currency = curves["currency"] or ""
    origin = days if job.budget is None else "as asked"
    _heading(f"Plan for {money(budget)} {currency} a {frequency} ({origin})".replace("  ", " "))
    _lines(plan_table(answer, curves["currency"], frequency))
    if job.budget is not None:
        print(f"Today is {days}.")
    _heading("Certificate")
    _lines(certificate_lines(answer))
    _heading("Why")
    _lines(sentences(answer["explanation"]))
    if answer["warnings"]:
        _heading("Warnings")
        _lines(sentences(answer["warnings"]))
    if job.truth is not None:
        _heading("Against the truth (known here, because the brand is simulated)")
        rows = answer["allocation"]
        now, plan = ({r["channel"]: r[key] for r in rows} for key in ("current_spend", "spend"))
        _lines(_against_truth(job.truth, now, plan, budget))


def _against_truth(
    truth: Mapping[str, Any], now: Mapping[str, float], plan: Mapping[str, float], budget: float
) -> list[str]:
    from samples.truth import best_allocation, steady_state

    names = [channel["channel"] for channel in truth["channels"]]
    upper = [truth["optimum"]["upper"][name] for name in names]
    best = best_allocation(truth, budget, upper)[1]
    return truth_lines(steady_state(truth, now), steady_state(truth, plan), best)


def _tell_stored(stored: Mapping[str, Any]) -> None:
    roles = stored["roles"]
    names = ", ".join(channel["channel"] for channel in roles.get("channels") or ())
    print(f"{stored['rows']} rows stored, {stored['first']} to {stored['last']}")
    print(f"outcome: {roles.get('outcome') or 'not there yet'}; channels: {names}")
    for finding in stored["findings"]:
        print(f"- {finding['message']}")


def _wait(client: Client, run_path: str) -> Mapping[str, Any]:
    """Poll a run to its end, telling each stage; a terminal's line is rewritten."""
    started = time.monotonic()
    told = ""
    pause = 0.1
    while True:
        run: Mapping[str, Any] = client.get(run_path)
        took = time.monotonic() - started
        stage = run.get("progress", {}).get("stage") or run["state"]
        text = run["state"] if run["state"] == stage else f"{run['state']}: {stage}"
        if sys.stdout.isatty():
            print(f"\r\033[K{text}  {took:.0f} s", end="", flush=True)
        elif text != told:
            print(f"{text}  ({took:.1f} s)", flush=True)
        told = text
        if run["state"] in {"promoted", "kept_previous", "failed"}:
            if sys.stdout.isatty():
                print()
            return run
        if took > _FIT_LIMIT_S:
            raise RuntimeError(f"The refit did not end within {_FIT_LIMIT_S / 60:.0f} minutes.")
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}", flush=True)


def _lines(lines: list[str]) -> None:
    print("\n".join(lines), flush=True)
