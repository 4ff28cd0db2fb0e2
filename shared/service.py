"""What the app does, in domain terms: every function in ``function_app.py`` ends in one call here.

Storage is connected on first use, so that a planning question with inline curves never waits for
it, and fitting is imported on first use, so that a cold start does not pay for scipy.

A plan for a plain question: so much a period over these curves, each arm within limits.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared import __version__, work
from shared.curves.curveset import ChannelCurve, CurveSet
from shared.errors import InvalidInput, NotFound, StorageUnavailable
from shared.plan.evaluate import evaluate
from shared.plan.optimize import answer, make_plan
from shared.plan.scenarios import Variant, compare
from shared.plan.yardstick import Amounts
from shared.problem.model import Channel, Problem, SolverOptions
from shared.uploads import Table, judged, spec_of, stored_table

if TYPE_CHECKING:
    from shared.fit.night.refit import Perform, Refits
    from shared.fit.pipeline import FitResult
    from shared.history.parse import Parsed
    from shared.history.table import History
    from shared.learn.allocators.allocators import Allocators
    from shared.learn.experiments.design import AskedTrial
    from shared.learn.experiments.placebo import Noise
    from shared.learn.experiments.portfolio import AskedPortfolio
    from shared.learn.policies.spending import Asked as AskedPolicy
    from shared.learn.tracking import Tracking
    from shared.plan.portfolio import Part
    from shared.store.connect import Connections
    from shared.store.datasets import Datasets
    from shared.store.records import Asked, Document, Manifest, Run


__all__ = ["Service", "Table", "advise"]

log = logging.getLogger("marginal.service")

Floats = NDArray[np.float64]
_SECONDS = 5.0

_JOB_LEASE = timedelta(seconds=50)
"""A worker looks every tenth second whether its job was cancelled."""


class Service:
    """The app over one set of storage connections.

    Parameters
    ----------
    connect
        Gives the connections; called once, at the first question that needs storage.
    refit_cap
        How long one refit may take; None: as long as the host lets it.
    perform
        Answers a job.
    """

    def __init__(
        self,
        connect: Callable[[], Connections],
        refit_cap: timedelta | None = None,
        perform: Perform | None = None,
    ) -> None:
        self._connect = connect
        self._refit_cap = refit_cap
        self._perform = perform

    # -- planning -----------------------------------------------------------------------------

    def optimize(self, problem: Problem, *, spend_interval: bool = True) -> dict[str, Any]:
        """The best allocation, certified (``POST /optimize``)."""
        with work.limited(problem.options.time_limit_s):
            return answer(make_plan(problem), spend_interval=spend_interval)

    def scenarios(
        self,
        base: Problem,
        variants: Sequence[Variant],
        budgets: Sequence[float] = (),
        between: tuple[str, int] | None = None,
    ) -> dict[str, Any]:
        """What-ifs beside their base (``POST /scenarios``); ``between`` two goals, how many."""
        return compare(base, variants, budgets, between)

    def evaluate(self, problem: Problem, plan: Mapping[str, Amounts]) -> dict[str, Any]:
        """A caller's plan, scored (``POST /evaluate``)."""
        return evaluate(problem, plan)

    def sensitivity(self, problem: Problem) -> dict[str, Any]:
        """How the answer moves with what it rests on (``POST /sensitivity``)."""
        from shared.plan.sensitivity import sensitivity

        return sensitivity(problem)

    def campaigns(
        self, problem: Problem, plan: Mapping[str, Amounts] | None = None
    ) -> dict[str, Any]:
        """Campaigns ranked, split within their channels, predicted (``POST /campaigns``)."""
        from shared.plan.campaigns import campaigns

        return campaigns(problem, plan)

    def transition(self, problem: Problem, max_change: float, periods: int) -> dict[str, Any]:
        """Steps from today's plan to the recommended one (``POST /transition``)."""
        from shared.plan.transition import transition

        return transition(problem, max_change, periods)

    def portfolio(self, problem: Problem, parts: Sequence[Part]) -> dict[str, Any]:
        """One budget over several datasets (``POST /portfolio``)."""
        from shared.plan.portfolio import portfolio

        with work.limited(problem.options.time_limit_s):
            return portfolio(problem, parts)

    def experiment(self, problem: Problem, **options: Any) -> dict[str, Any]:
        """Test designs (``POST /experiment``); ``options`` of an ``AskedTest``."""
        from shared.plan.experiment import AskedTest, experiment

        return experiment(problem, AskedTest(**options))

    def policies(self, problem: Problem, asked: AskedPolicy) -> dict[str, Any]:
        """Spend over time as a rule, of one channel (``POST /policies``)."""
        from shared.learn.policies.answer import policies

        with work.limited(problem.options.time_limit_s):
            return policies(problem, asked)

    # -- fitting ------------------------------------------------------------------------------

    def parse(
        self, spec: Mapping[str, Any], history_csv: str, outcomes_csv: str | None = None
    ) -> Parsed:
        """The history of a request, read and validated; ``InvalidInput`` where it cannot be."""
        from shared.history.parse import parse

        outcomes = None if outcomes_csv is None else outcomes_csv.encode()
        return parse(spec or None, history_csv.encode(), outcomes)

    def fit(self, parsed: Parsed, seed: int = 0) -> CurveSet:
        """Curves from a history in the request; nothing is stored (``POST /fit``).

        The gate's verdict is under ``diagnostics.gate``, as for a stored refit.
        """
        from shared.fit.pipeline import fit_history

        return fit_history(parsed.history, parsed.spec, seed=seed, advise=advise).curve_set

    def refit(self, dataset: str, *, force: bool = False, key: str | None = None) -> dict[str, Any]:
        """Queue a refit of one dataset; its run. ``force``: though nothing changed.

        ``key``: a refit that was queued with it before is the answer, and none is queued again.
        """
        return self._refits.queue_refit(dataset, force=force, key=key).to_dict()

    def runs(self, dataset: str) -> list[dict[str, Any]]:
        """All refits of a dataset that are still known, newest first."""
        return [run.to_dict() for run in self._datasets.runs(dataset)]

    def run(self, dataset: str, run: str) -> dict[str, Any]:
        """The state of a refit."""
        return self._datasets.read_run(dataset, run).to_dict()

    def nightly(self, *, past_due: bool = False) -> int:
        """Queue tonight's refit of every dataset, and what it learns; how many refits."""
        from shared.learn.night import message_of
        from shared.store.manifests import utc_now

        queued = self._refits.queue_all(utc_now())
        self._connections.refits.send_many(map(message_of, sorted(self._datasets.with_ledgers())))
        log.info("queued %d refits%s", queued, " (the timer was late)" if past_due else "")
        return queued

    def work(self, message: str) -> None:
        """Do the refit that a queue message names, or a dataset's night of learning."""
        from shared.learn.night import dataset_in

        dataset = dataset_in(message)
        if dataset is None:
            self._refits.work(message)
            return
        try:
            self.allocators.night(dataset)
            self.tracking.night(dataset)
        except NotFound:
            log.info("the dataset %s was deleted before its night", dataset)

    def poisoned(self, message: str) -> None:
        """Mark the run of a message that the queue gave up as failed."""
        from shared.learn.night import dataset_in

        dataset = dataset_in(message)
        if dataset is None:
            self._refits.poisoned(message)
        else:  # the next night does it all
            log.error("the night of %s was given up", dataset)

    # -- jobs ---------------------------------------------------------------------------------

    def queue_job(self, dataset: str | None, question: str, body: bytes) -> dict[str, Any]:
        """Queue a question that takes long; its job."""
        return self._told(self._jobs.queue_job(dataset, question, body))

    def job(self, job: str) -> dict[str, Any]:
        """The state of a job, and its answer where it has one."""
        return self._told(self._datasets.job(job))

    def cancel_job(self, job: str) -> dict[str, Any]:
        """End a job that is not done; the job."""
        return self._told(self._jobs.cancel(job))

    def work_job(self, message: str) -> None:
        """Do the job that a queue message names."""
        self._jobs.work(message)

    def poisoned_job(self, message: str) -> None:
        """End the job of a message that the queue gave up as failed."""
        self._jobs.poisoned(message)

    def _told(self, job: Run) -> dict[str, Any]:
        from shared.store.datasets import job_name

        told = None
        if job.state in ("completed", "failed"):
            told = self._datasets.answer(job)
        return {
            "run": job,
            "job": job_name(job),
            "status": None if told is None else told[0],
            "answer": None if told is None else told[1],
        }

    # -- datasets -----------------------------------------------------------------------------

    def put_spec(
        self,
        dataset: str,
        spec: Mapping[str, Any],
        *,
        if_match: str | None = None,
        seen: Manifest | None = None,
    ) -> dict[str, Any]:
        """Store the roles of the columns; where tables are stored already, they must fit them.

        ``seen``: what the spec was made from, where it was; it is not written over anything newer.
        """
        seen = seen or self._datasets.find(dataset)
        history, outcomes = (
            stored_table(self._datasets, seen, part) for part in ("history", "outcomes")
        )
        report: dict[str, Any] = {"roles": dict(spec), "findings": []}
        if history is not None or outcomes is not None:
            from shared.history.parse import check_upload

            report = check_upload(spec, history, outcomes).to_dict()
        etag = self._datasets.put_spec(dataset, spec, if_match=if_match, seen=seen)
        return {"dataset": dataset, "etag": etag, **report}

    def put_table(
        self, dataset: str, asked: Asked, table: Table, content_type: str
    ) -> dict[str, Any]:
        """Store a table that can be used; what was guessed and found in it."""
        seen = self._datasets.find(dataset)
        data, media, report = judged(self._datasets, seen, asked, table, content_type)
        etag = self._datasets.put_input(
            dataset, asked.part, data, media, if_match=asked.if_match, seen=seen
        )
        return {"dataset": dataset, "etag": etag, **report}

    def queue_table(
        self, dataset: str, asked: Asked, data: bytes, content_type: str
    ) -> dict[str, Any]:
        """Store a table that is too large to be read now, and queue its reading; its run."""
        return self._refits.queue_upload(dataset, asked, data, content_type).to_dict()

    def get_spec(self, dataset: str) -> Document:
        """The spec as it was put."""
        return self._datasets.get_spec(dataset)

    def get_history(self, dataset: str) -> Document:
        """The history as it was put."""
        return self._datasets.get_history(dataset)

    def get_outcomes(self, dataset: str) -> Document:
        """The outcomes as they were put."""
        return self._datasets.get_outcomes(dataset)

    def datasets(self, after: str = "") -> Iterator[dict[str, Any]]:
        """All datasets by name (behind ``after``), each with what it has."""
        return map(_has, self._datasets.manifests(after))

    def dataset(self, dataset: str) -> dict[str, Any]:
        """One dataset: what it has, its last run, its current ``curves`` (a CurveSet, or None).

        Without curves its history tells channels, dates and findings, where there is one.
        """
        manifest = self._datasets.manifest(dataset)
        runs = self._datasets.runs(dataset)
        found: dict[str, Any] = {
            **_has(manifest),
            **dict.fromkeys(("currency", "outcome", "frequency", "first", "last", "trust")),
            "today": None,
            "channels": [],
            "last_run": runs[0].to_dict() if runs else None,
            "to_settle": [],
            "tracking": self.tracking.summary(dataset),
            "curves": None if manifest.curves is None else self._datasets.curves(dataset),
        }
        if found["curves"] is None and manifest.inputs.history is not None:
            from shared.history.parse import check_upload

            stored, parts = self._datasets, ("history", "outcomes")
            history, outcomes = (stored_table(stored, manifest, part) for part in parts)
            told = check_upload(spec_of(stored, manifest), history, outcomes).to_dict()
            spend = (told.get("read") or {}).get("spend") or {}
            found |= {key: told.get(key) for key in ("frequency", "first", "last")}
            found["channels"] = [
                {"channel": name, "current_spend": None, "campaigns": []} for name in spend
            ]
            found["to_settle"] = [f for f in told["findings"] if f.get("settled_by")]
        return found

    def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset's history, curves and runs."""
        self._datasets.delete(dataset)

    # -- curves -------------------------------------------------------------------------------

    def curves(self, dataset: str, version: str = "latest") -> CurveSet:
        """A curve set; ``latest`` is the current one."""
        return self._datasets.curves(dataset, version)

    def versions(self, dataset: str) -> list[dict[str, Any]]:
        """All stored versions, newest first."""
        return [entry.to_dict() for entry in self._datasets.versions(dataset)]

    def promote(self, dataset: str, version: str, *, key: str | None = None) -> dict[str, Any]:
        """Make a stored version the current one (a roll-back, or overruling the gate).

        ``key``: where that was done with it before, nothing is done again.
        """
        manifest = self._datasets.promote(dataset, version, key)
        return {"dataset": dataset, "curves_version": manifest.curves}

    def import_curves(self, asked: Mapping[str, Any]) -> CurveSet:
        """Another tool's export as a curve set; nothing is stored (``POST /curves/import``)."""
        from shared.curves.imports import import_curves

        return import_curves(asked)

    def store_curves(
        self, dataset: str, asked: Mapping[str, Any], *, promote: bool
    ) -> dict[str, Any]:
        """Another tool's curves as a version of a dataset, current at once where ``promote``."""
        curves = self.import_curves(asked)
        version = self._datasets.add_curves(dataset, curves, promote=promote)
        return {
            "dataset": dataset,
            "version": version,
            "current": promote,
            "channels": [channel.channel for channel in curves.channels],
            "draws": curves.diagnostics["imported"]["draws"],
            "notes": curves.diagnostics["imported"]["notes"],
        }

    def keep_plan(self, dataset: str, name: str, told: Mapping[str, Any]) -> str:
        """Keep a question with its answer for 30 days, under the id that is answered."""
        return self._datasets.keep_plan(dataset, name, told)

    def plan(self, dataset: str, plan: str) -> dict[str, Any] | None:
        """A plan that is kept; None where there is none."""
        return self._datasets.plan(dataset, plan)

    def history(self, dataset: str) -> History | None:
        """The stored history, parsed; None where there is none, or it still waits for outcomes."""
        from shared.history.parse import parse

        seen = self._datasets.find(dataset)
        table, outcomes = (
            stored_table(self._datasets, seen, part) for part in ("history", "outcomes")
        )
        if table is None:
            return None
        try:
            return parse(spec_of(self._datasets, seen), table, outcomes).history
        except InvalidInput:
            log.info("the stored history of %s cannot be read", dataset)
            return None

    # -- learning -----------------------------------------------------------------------------

    @cached_property
    def allocators(self) -> Allocators:
        """The online allocators of datasets."""
        from shared.learn.allocators.allocators import Allocators
        from shared.store.keys import ALLOCATORS

        return Allocators(self._datasets.ledgers(ALLOCATORS, "allocator"), self._datasets.curves)

    @cached_property
    def tracking(self) -> Tracking:
        """The plans of datasets that were adopted."""
        from shared.learn.tracking import Tracking
        from shared.store.keys import ADOPTED

        stored = self._datasets
        ledgers = stored.ledgers(ADOPTED, "adopted plan")
        return Tracking(ledgers, stored.plan, self.history, stored.curves)

    # -- experiments --------------------------------------------------------------------------

    def trial_portfolio(self, problem: Problem, asked: AskedPortfolio) -> dict[str, Any]:
        """A year's tests by what they are worth (``POST /experiments``)."""
        from shared.learn.experiments.portfolio import portfolio

        with work.limited(problem.options.time_limit_s):
            return portfolio(problem, asked)

    def design(
        self,
        dataset: str | None,
        kind: str,
        history: History,
        asked: AskedTrial,
        noise: Noise | None,
    ) -> dict[str, Any]:
        """A test on a channel, kept by the dataset under the id of its content."""
        from shared.learn.experiments import design

        if kind == "geo":
            told = design.geo(history, asked)
        else:
            make = design.switched if kind == "switchback" else design.off
            told = make(history, asked, noise)
        if dataset is not None:
            content = json.dumps(told, sort_keys=True).encode()
            told["experiment"] = hashlib.sha256(content).hexdigest()[:16]
            self._datasets.keep_experiment(dataset, told["experiment"], told)
        return told

    def experiment_of(self, dataset: str, experiment: str) -> tuple[Manifest, dict[str, Any]]:
        """The dataset as it is now, and a design that it keeps."""
        return self._datasets.manifest(dataset), self._datasets.experiment(dataset, experiment)

    def experiments(self, dataset: str) -> list[dict[str, Any]]:
        """All designs that a dataset keeps, each with its ``lift_test`` or None."""
        spec = spec_of(self._datasets, self._datasets.manifest(dataset)) or {}
        tests = {test.get("experiment"): test for test in spec.get("lift_tests") or ()}
        kept = self._datasets.experiments(dataset)
        return [{**told, "lift_test": tests.get(told["experiment"])} for told in kept]

    def data_of(
        self,
        dataset: str | None,
        spec: Mapping[str, Any] | None,
        history_csv: str | None,
        outcomes_csv: str | None,
    ) -> History:
        """A history that was sent with its spec; what of it is missing is the dataset's."""
        from shared.history.parse import parse

        seen = None if dataset is None else self._datasets.manifest(dataset)
        spec = spec_of(self._datasets, seen) if spec is None else spec
        table: Table | None = None if history_csv is None else history_csv.encode()
        outcomes: Table | None = None if outcomes_csv is None else outcomes_csv.encode()
        if table is None:
            table, outcomes = (
                stored_table(self._datasets, seen, part) for part in ("history", "outcomes")
            )
        if table is None:
            raise NotFound("The dataset has no history yet: send the data as history_csv.")
        return parse(spec or None, table, outcomes).history

    def record(
        self,
        seen: Manifest,
        experiment: str,
        design: Mapping[str, Any],
        history: History,
        *,
        if_match: str | None = None,
    ) -> dict[str, Any]:
        """What a test found, written as a lift test of the spec: one flip of the manifest.

        The result of the same experiment is replaced, so that a correction counts once; the same
        result is not written again.

        Raises
        ------
        WriteConflict
            An input of the dataset changed since ``seen``. Nothing was written.
        """
        from shared.learn.experiments.results import read

        found = read(design, history)
        test = {**found.pop("lift_test"), "experiment": experiment}
        stored = self.history(seen.dataset)
        if stored is not None and stored.panel().geos == ("",):
            test.pop("geos", None)  # the dataset's own history knows no places
        spec = dict(spec_of(self._datasets, seen) or {})
        tests = list(spec.get("lift_tests") or ())
        places = [i for i, one in enumerate(tests) if one.get("experiment") == experiment]
        self._datasets.check_match(seen, "spec", if_match)
        changed = not places or tests[places[0]] != test
        if changed:
            tests[slice(places[0], places[0] + 1) if places else slice(len(tests), None)] = [test]
            report = self.put_spec(
                seen.dataset, {**spec, "lift_tests": tests}, if_match=if_match, seen=seen
            )
            etag, findings = report["etag"], report["findings"]
        else:
            etag, findings = self._datasets.get_spec(seen.dataset).etag, []
        return {
            "dataset": seen.dataset,
            "experiment": experiment,
            "etag": etag,
            "changed": changed,
            "lift_test": test,
            **{key: found.pop(key) for key in ("interval", "p_value", "correlation")},
            "findings": findings,
            "explanation": found.pop("explanation"),
            "warnings": [{"code": c, "message": m} for c, m in found.pop("warnings")],
            "details": found,
        }

    # -- the service itself -------------------------------------------------------------------

    def health(self) -> dict[str, Any]:
        """Alive (or nobody would answer), which version, and whether storage answers."""
        try:
            self._connections.blobs.ping()
            storage = "reachable"
        except StorageUnavailable:
            storage = "unreachable"
        status = "ok" if storage == "reachable" else "degraded"
        return {"status": status, "version": __version__, "storage": storage}

    # -- inside -------------------------------------------------------------------------------

    @cached_property
    def _connections(self) -> Connections:
        return self._connect()

    @cached_property
    def _datasets(self) -> Datasets:
        from shared.store.datasets import Datasets

        return Datasets(self._connections.blobs)

    @cached_property
    def _refits(self) -> Refits:
        from shared.fit.night.refit import Refits

        return Refits(self._datasets, self._connections.refits, fit=_fit, cap=self._refit_cap)

    @cached_property
    def _jobs(self) -> Refits:
        from shared.fit.night.refit import Refits

        return Refits(
            self._datasets,
            self._connections.jobs,
            cap=self._refit_cap,
            lease=_JOB_LEASE,
            perform=self._perform,
        )


def _fit(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int = 0,
    previous: CurveSet | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> FitResult:
    """A night's fit: fitting knows no optimiser, so the backtest's is handed to it here."""
    from shared.fit.pipeline import fit_history

    return fit_history(
        history,
        spec,
        seed=seed,
        previous=previous,
        progress=progress,
        advise=advise,
        challengers=True,
    )


def _has(manifest: Manifest) -> dict[str, Any]:
    """A dataset's line in the list of all."""
    return {
        "dataset": manifest.dataset,
        "created_at": manifest.created_at,
        "updated_at": manifest.updated_at,
        "has_spec": manifest.inputs.spec is not None,
        "has_history": manifest.inputs.history is not None,
        "has_outcomes": manifest.inputs.outcomes is not None,
        "curves_version": manifest.curves,
    }


def advise(curves: Sequence[ChannelCurve], budget: float, low: Floats, high: Floats) -> Floats:
    """The best spend (A,) of ``budget`` over ``curves``, within ``low`` to ``high`` (A,)."""
    channels = tuple(
        Channel(
            name=curve.channel,
            response=curve.response,
            min_spend=float(least),
            max_spend=float(most),
        )
        for curve, least, most in zip(curves, low, high, strict=True)
    )
    options = SolverOptions(gap=1e-4, time_limit_s=_SECONDS)
    plan = make_plan(Problem(channels=channels, budget=budget, options=options))
    return np.asarray(plan.best.spend[:, 0])
