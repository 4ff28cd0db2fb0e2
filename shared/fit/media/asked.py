"""What a model is asked on one window of a history: the spec's wishes, beliefs, tests, and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from shared.curves.curveset import CurveSet
from shared.curves.saturation import fittable
from shared.errors import Fault, InvalidInput
from shared.fit.design.design import Design, build_design
from shared.fit.design.leak import checked_design
from shared.fit.design.wishes import read_wishes
from shared.fit.media.demand import following
from shared.fit.media.kernels import ADSTOCK_FAMILIES
from shared.fit.media.lift import LiftTerm, read_lifts
from shared.fit.media.priors import ReturnPrior, return_prior
from shared.history.beliefs import far_returns
from shared.history.table import History

__all__ = ["Asked", "AskedModel", "asked_of", "settled", "window_of"]


@dataclass(frozen=True, slots=True)
class AskedModel:
    """Wishes of a spec; ``None`` as a family means that the fit is to choose.

    Attributes
    ----------
    saturations, adstocks
        By channel name; channels that are not in them follow ``saturation`` and ``adstock``.
    interactions
        Pairs of channel names that are in the model whatever the data say.
    shrunk
        Whether those are all pairs there are; the fit then believes in none of them beforehand.
    search
        Whether pairs are looked for, and taken where the data are clear (the default); ``auto``
        whether that was said.
    noise
        "auto", "gaussian" or "student_t".
    """

    saturation: str | None
    adstock: str | None
    saturations: Mapping[str, str | None]
    adstocks: Mapping[str, str | None]
    interactions: tuple[tuple[str, str], ...]
    noise: str = "auto"
    shrunk: bool = False
    search: bool = False
    auto: bool = False

    def saturation_of(self, channel: str) -> str | None:
        """The family asked for a channel's saturation."""
        return self.saturations.get(channel, self.saturation)

    def adstock_of(self, channel: str) -> str | None:
        """The family asked for a channel's adstock."""
        return self.adstocks.get(channel, self.adstock)


def asked_of(spec: Mapping[str, Any], channels: Sequence[str]) -> AskedModel:
    """Read the wishes of a spec for a history with ``channels``.

    Raises
    ------
    InvalidInput
        Unknown families, and interactions of unknown channels, by pointer.
    """
    faults: list[Fault] = []
    model = spec.get("model") or {}

    def family(holder: Mapping[str, Any], key: str, at: str) -> str | None:
        value = holder.get(key)
        name = value.get("family") if isinstance(value, Mapping) else value
        known = tuple(fittable()) if key == "saturation" else ADSTOCK_FAMILIES
        if name is None or name == "auto":
            return None
        if name not in known:
            text = f"A fit knows no {key} {name!r}: 'auto', {', '.join(map(repr, known))}."
            faults.append(Fault(f"{at}/{key}", "unknown_family", text))
        return str(name)

    saturation, adstock = family(model, "saturation", "/model"), family(model, "adstock", "/model")
    saturations: dict[str, str | None] = {}
    adstocks: dict[str, str | None] = {}
    for i, channel in enumerate(spec.get("channels") or ()):
        name = str(channel.get("channel"))
        if channel.get("saturation") is not None:
            saturations[name] = family(channel, "saturation", f"/channels/{i}")
        if channel.get("adstock") is not None:
            adstocks[name] = family(channel, "adstock", f"/channels/{i}")
    pairs: list[tuple[str, str]] = []
    given = model.get("interactions")
    if given == "all":
        pairs = list(combinations(channels, 2))
    wished = () if given is None or isinstance(given, str) else given
    for i, pair in enumerate(wished):
        at = f"/model/interactions/{i}"
        names = [str(name) for name in pair]
        unknown = [name for name in names if name not in channels]
        if unknown:
            text = f"No channel is called {unknown[0]!r}."
            faults.append(Fault(at, "unknown_channel", text))
        elif len(names) != 2 or names[0] == names[1]:
            faults.append(Fault(at, "not_a_pair", "An interaction is of two different channels."))
        else:
            pairs.append((names[0], names[1]))
    if faults:
        raise InvalidInput(faults)
    return AskedModel(
        saturation=saturation,
        adstock=adstock,
        saturations=saturations,
        adstocks=adstocks,
        interactions=tuple(pairs),
        noise=str(model.get("noise") or "auto"),
        shrunk=given == "all",
        search=given is None or given == "auto",
        auto=given == "auto",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """All that a model is asked beside its design; the same gives the same draws.

    Attributes
    ----------
    names
        Of the design's active channels, C of them.
    drifting
        The same design with a baseline that may drift; None where the spec says whether it does.
    train
        Periods of a fold; None for all.
    draws
        Joint draws to keep.
    families
        (saturation, adstock) by channel name, settled already (by the fit of all rows).
    previous
        The curves in use, where a model can start from them. Not for validation: they have seen
        the periods that a fold is tested on.
    """

    model: AskedModel
    names: tuple[str, ...]
    prior: ReturnPrior
    lifts: tuple[LiftTerm, ...]
    drifting: Callable[[], Design] | None = None
    seed: int = 0
    train: int | None = None
    draws: int = 200
    families: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    previous: CurveSet | None = None

    def rng(self, *more: int) -> np.random.Generator:
        """Fresh, by seed and window; of a model with ``more`` of its own."""
        return np.random.default_rng([self.seed, self.train or 0, *more])

    def families_of(self, channel: str) -> tuple[str | None, str | None]:
        """Its saturation and adstock, settled or asked for; None is left to the model."""
        wished = self.model.saturation_of(channel), self.model.adstock_of(channel)
        return self.families.get(channel, wished)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The interactions asked for, of channels that have spend."""
        return tuple(pair for pair in self.model.interactions if {*pair} <= {*self.names})

    def places(self, pairs: Sequence[tuple[str, str]]) -> tuple[tuple[int, int], ...]:
        """Pairs of names as places among the active channels."""
        return tuple((self.names.index(i), self.names.index(j)) for i, j in pairs)


def window_of(
    history: History,
    spec: Mapping[str, Any],
    *,
    seed: int,
    train: int | None = None,
    draws: int = 200,
    families: Mapping[str, tuple[str, str]] | None = None,
    previous: CurveSet | None = None,
) -> tuple[Design, Asked]:
    """The arrays of the first ``train`` periods (default all), and what a model is asked on them.

    Raises
    ------
    InvalidInput
        Columns that leak, features, families and channels that are not there, impossible priors
        and lift tests, too little to fit.
    """
    model, wishes = asked_of(spec, history.channels), read_wishes(spec, history)
    design = checked_design(history, wishes, train)
    names = tuple(history.channels[c] for c in design.active)
    seen = history.outcome[: design.train]
    seen = seen[np.isfinite(seen)]
    prior = return_prior(
        spec,
        history.outcome_name,
        names,
        float(design.mean_spend.sum()) * design.train,
        float(np.mean(seen)) * design.train if seen.size else 0.0,
        far_returns(history),
        following(design),
    )

    def drifting() -> Design:
        return build_design(history, wishes, train, wander=True)

    return design, Asked(
        model=model,
        names=names,
        prior=prior,
        lifts=read_lifts(spec, history, design),
        drifting=drifting if wishes.wander is None else None,
        seed=seed,
        train=train,
        draws=draws,
        families=families or {},
        previous=previous,
    )


def settled(spec: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    """The spec for folds: with the pairs that the fit of all rows found where it was to look."""
    model = spec.get("model") or {}
    if model.get("interactions") not in (None, "auto"):
        return spec
    return {**spec, "model": {**model, "interactions": [list(pair) for pair in pairs]}}
