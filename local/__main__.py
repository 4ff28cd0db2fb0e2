"""``./run``: the whole service on one machine, on a sample or on one's own history."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from client.marginal_client import Client, RefusedError, UnreachableError
from local.host import ROOT
from local.job import Job, NoOutcomesError, own_job, run_job, sample_job
from local.serving import CannotServeError, Choice, app_process, own_log, serve_until_told

__all__ = ["main"]

_LOG = ROOT / ".marginal" / "app.log"


def main(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "serve" and (ignored := _given(options)):
        parser.error(f"serve only serves: {', '.join(ignored)} would have no effect")
    choice = Choice(options.port, options.storage, options.local_host)
    try:
        if options.command == "serve":
            return serve_until_told(choice)
        job = _job(options)
        return _run(choice, job, once=options.once)
    except CannotServeError as error:
        return _fail(str(error))


def _run(choice: Choice, job: Job, *, once: bool) -> int:
    # Ctrl-C too: whoever starts this in the background may have told it to ignore that.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    print("Starting storage and the app", flush=True)
    try:
        with own_log(_LOG) as (path, log), app_process(choice, path, log) as base:
            print(f"  ready {base}  (log: {path})", flush=True)
            code = _do(Client(base), job, path, once=once)
            if not once:
                print(f"\nThe app stays up at {base}  (Ctrl-C stops it)", flush=True)
                while True:  # not an Event: a signal just before its wait would be lost
                    time.sleep(0.5)
            return code
    except KeyboardInterrupt:
        print("\nstopped")
        return 0 if not once else 130


def _do(client: Client, job: Job, log: Path, *, once: bool) -> int:
    try:
        planned = run_job(client, job)
    except RefusedError as error:
        return _fail(f"The service refused ({error.status}): {error}")
    except NoOutcomesError as error:
        return _fail(str(error))
    except (UnreachableError, RuntimeError) as error:
        return _fail(f"{error}\nThe app's log is {log}.")
    if planned and not once:
        print(f"\nAll of it as a page: {client.base}/datasets/{job.dataset}/report")
        print(f"To plan on: {client.base}/dashboard#dataset={job.dataset}")
    return 0


def _given(options: argparse.Namespace) -> list[str]:
    """The options of a job that were given, as they are written."""
    names = ("once", "history", "spec", "outcomes", "budget", "current")
    return [f"--{name}" for name in names if getattr(options, name) not in (None, False)]


def _job(options: argparse.Namespace) -> Job:
    if options.history is None:
        if options.spec or options.outcomes:
            raise CannotServeError("--spec and --outcomes belong to --history FILE.csv.")
        return replace(sample_job(options.budget), current=options.current)
    try:
        job = own_job(options.history, options.spec, options.outcomes, options.budget)
    except OSError as error:
        raise CannotServeError(f"{error.filename} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise CannotServeError(str(error)) from None
    return replace(job, current=options.current)


def _fail(text: str) -> int:
    sys.stdout.flush()
    print(f"\n{text}", file=sys.stderr, flush=True)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--port", type=_port_number, help="default 7071, or any free one")
    shared.add_argument(
        "--storage",
        default="auto",
        metavar="WHERE",
        help="azurite, memory or a connection string (default: Azurite where it is installed)",
    )
    shared.add_argument(
        "--local-host",
        action="store_true",
        help="the project's own host, even where func is on PATH",
    )
    parser = argparse.ArgumentParser(
        prog="./run",
        parents=[shared],
        description="Start Marginal here: store a history, refit its curves through the queue, and "
        "plan what is spent today. Without --history: the sample brand.",
        epilog="./run serve [--port N] [--storage WHERE] [--local-host] only serves.",
    )
    parser.add_argument(
        "command", nargs="?", choices=["serve"], help="only serve, and print when ready"
    )
    parser.add_argument("--once", action="store_true", help="stop after printing the plan")
    parser.add_argument("--history", type=Path, metavar="FILE.csv", help="your own spend history")
    parser.add_argument("--spec", type=Path, metavar="FILE.json", help="roles of its columns")
    parser.add_argument("--outcomes", type=Path, metavar="FILE.csv", help="for a long history")
    parser.add_argument("--budget", type=_amount, metavar="N", help="money a period to plan")
    parser.add_argument(
        "--current", type=_count, metavar="N", help="today is the mean of the last N periods"
    )
    return parser


def _port_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a port is between 0 and 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of periods: write one, such as 13")
    return int(text)


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1e15:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no budget: write an amount of money, 0 or more, such as 250000"
        )
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
