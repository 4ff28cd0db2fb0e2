"""What the spec asks of the model: families, interactions, kind; impossible wishes are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from shared.curves.saturation import fittable
from shared.errors import Fault, InvalidInput, NotSupportedYet
from shared.fit.bayes.kernels import ADSTOCK_FAMILIES

__all__ = ["KINDS", "AskedModel", "asked_of", "settled"]

KINDS = ("bayesian", "ridge", "time_series")


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
        Whether pairs are looked for, and taken where the data are clear (the default).
    wander
        Whether the baseline may drift besides its trend (``model.time_varying_baseline``).
    noise
        "auto", "gaussian" or "student_t".
    """

    kind: str
    saturation: str | None
    adstock: str | None
    saturations: Mapping[str, str | None]
    adstocks: Mapping[str, str | None]
    interactions: tuple[tuple[str, str], ...]
    wander: bool
    noise: str = "auto"
    shrunk: bool = False
    search: bool = False

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
    NotSupportedYet
        A kind of model that is not built.
    """
    faults: list[Fault] = []
    model = spec.get("model") or {}
    kind = model.get("kind") or "bayesian"
    if kind not in KINDS:
        raise NotSupportedYet.at(
            "/model/kind", "not_supported_yet", f"The model {kind!r} cannot be used in a fit yet."
        )

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
        kind=kind,
        saturation=saturation,
        adstock=adstock,
        saturations=saturations,
        adstocks=adstocks,
        interactions=tuple(pairs),
        wander=bool(model.get("time_varying_baseline")),
        noise=str(model.get("noise") or "auto"),
        shrunk=given == "all",
        search=given is None or given == "auto",
    )


def settled(spec: Mapping[str, Any], pairs: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    """The spec for folds: with the pairs that the fit of all rows found where it was to look."""
    model = spec.get("model") or {}
    if model.get("interactions") not in (None, "auto"):
        return spec
    return {**spec, "model": {**model, "interactions": [list(pair) for pair in pairs]}}
