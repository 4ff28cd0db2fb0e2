"""The log posterior of the media model, with its gradient, for many points at once.

For period t of geo g, everything in units of the standard deviation of the geo's outcome::

    outcome_gt = baseline_gt . gamma + sum_a media_at + sum_p strength_p S_it S_jt + noise_gt
    media_at   = exp(rho_a) * unit_a * S_at / mean_t(S_at),     gamma ~ N(0, I)
    S_at       = saturation of adstock of the exposure of arm a (``kernels``)
    noise_t    = phi noise_t-1 + innovation_t,   innovation_t ~ N(0, sigma^2 / weight_t)

An arm is a channel, or a campaign below it, in one geo. ``rho`` is its log return on investment
over the window: the channel's, and a deviation on each level of the hierarchy (``layout``); it is
the one that the regression sees, which carries a systematic error b (``priors``): a lift test
measures exp(rho - b).
``unit_a`` is the outcome that a return of one would make of the arm's mean spend. Adstock, half-
saturation (over the arm's spend scale) and shape are the channel's.

The linear part gamma is integrated out exactly (``noise.Marginal``). Rows are whitened first
(Cochrane and Orcutt, 1949; after a gap, as Prais and Winsten, 1954, do with the first row). ``phi``
and ``weight_t``, the scale-mixture weights of Student-t innovations, are held fixed here; ``noise``
finds them. Lift tests are further terms of the likelihood (``lift``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.fit.design.design import Design
from shared.fit.media import kernels
from shared.fit.media.interactions import Pairs, arm_pairs
from shared.fit.media.lift import Lifted, LiftTerm
from shared.fit.media.priors import STRENGTH, ReturnPrior
from shared.fit.models.bayesian.layout import (
    Choice,
    Layout,
    PointPrior,
    lay_out,
    log_half_normal,
    prior_of,
)
from shared.fit.models.bayesian.noise import Marginal, Whitener

__all__ = ["Arms", "MediaModel", "build_model"]

Floats = NDArray[np.float64]
_LOG_2PI = float(np.log(2.0 * np.pi))
_CACHED = 64_000  # numbers of one (arm, point, row) array worked on at once
_TINY = 1e-300
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class MediaModel:
    """One model on one design.

    Attributes
    ----------
    pairs
        Arms (one of either channel in one geo) of each interaction in each geo: P lists of (i, j).
    """

    design: Design
    returns: ReturnPrior
    layout: Layout
    prior: PointPrior
    pairs: tuple[Pairs, ...]
    lifts: tuple[LiftTerm, ...]
    marginal: Marginal  # of the n observed rows
    arms: Arms
    gather: _Gather
    geo: NDArray[np.int64]  # (A,)
    unit: Floats  # (A,)
    lags: Floats  # (A, train, L)
    seen: NDArray[np.bool_]  # (G train,)
    rows: NDArray[np.bool_] | slice  # the same to index with: a slice where there is no gap

    @property
    def channels(self) -> int:
        """C: active channels."""
        return len(self.design.active)

    @property
    def size(self) -> int:
        """Number of coordinates of a point."""
        return self.layout.size

    def prior_moments(self) -> tuple[Floats, Floats]:
        """Centre and sd (size,) of the prior of each coordinate (decay and sigma: about)."""
        return self.prior.centre, self.prior.sd

    def unpack(self, theta: Floats) -> _Unpacked:
        """Natural parameters of points (K, size)."""
        layout, lags = self.layout, self.design.lags.shape[2]
        first, second = theta[:, layout.first], picked(theta, layout.second)
        natural_first, natural_second = np.empty_like(first), np.empty_like(second)
        for family in set(layout.choice.adstocks):
            of = np.array([name == family for name in layout.choice.adstocks])
            natural_first[:, of], natural_second[:, of] = kernels.natural(
                family, first[:, of], second[:, of], lags
            )
        return _Unpacked(
            roi=np.exp(self._log_roi(theta)),
            first=natural_first,
            second=natural_second,
            half=np.exp(theta[:, layout.half]),
            shape=np.exp(picked(theta, layout.shape)),
            strength=STRENGTH * theta[:, layout.pairs],
            sigma=np.exp(theta[:, layout.sigma]),
        )

    def media(self, theta: Floats) -> Floats:
        """Media of each arm in every period, shape (A, K, T), in its geo's outcome sd.

        The mean saturation that turns returns into coefficients is always the training window's.
        """
        saturated = self.arms.forward(theta, self.design.lags).saturated
        out: Floats = self._scale(theta, saturated)[:, :, None] * saturated
        return out

    def interplay(self, theta: Floats) -> Floats:
        """What each interaction adds in every row, shape (P, K, R), in outcome sd."""
        saturated = self.arms.forward(theta, self.design.lags).saturated
        strength = STRENGTH * theta[:, self.layout.pairs]
        rows = np.zeros((len(self.pairs), theta.shape[0], self.design.outcome.size))
        periods = self.design.periods
        for place, pair in enumerate(self.pairs):
            for i, j in pair:
                at = slice(self.geo[i] * periods, (self.geo[i] + 1) * periods)
                rows[place, :, at] = strength[:, place, None] * saturated[i] * saturated[j]
        return rows

    def signal(self, theta: Floats) -> Floats:
        """All that media do in every row, interactions included, shape (K, R)."""
        out = self._by_geo(self.media(theta))
        if self.pairs:
            out = out + self.interplay(theta).sum(axis=0)
        return out

    def coefficients(self, theta: Floats) -> Floats:
        """Response of each arm at level one, shape (K, A), in outcome units per period."""
        saturated = self.arms.forward(theta, self.design.lags).saturated
        scale = self._scale(theta, saturated)
        out: Floats = scale.T * self.design.outcome_scale[self.geo]
        return out

    def quick(self) -> MediaModel:
        """The same in single precision along the rows: twice as fast, exact to about 1e-5."""
        return replace(self, lags=self.lags.astype(np.float32))

    def log_posterior(self, theta: Floats, under: Marginal | None = None) -> tuple[Floats, Floats]:
        """Log posterior density (K,) of points (K, size), normalised prior, and gradient (K, size).

        The density is of theta itself (Jacobians of the logarithms and the logit included), given
        the model's own noise or that of each point, ``under``.
        """
        # A few points at a time: their arrays then stay in the processor's cache.
        size = len(self.arms.families) * self.design.train
        batches = -(-len(theta) * size // _CACHED)
        few = max(1, -(-len(theta) // batches))
        under = self.marginal if under is None else under
        if batches == 1:
            return self._log_posterior(theta, under)
        at = [slice(k, k + few) for k in range(0, len(theta), few)]
        parts = [self._log_posterior(theta[some], under.some(some)) for some in at]
        return np.concatenate([v for v, _ in parts]), np.concatenate([g for _, g in parts])

    def log_likelihood_rows(self, theta: Floats, rng: np.random.Generator) -> Floats:
        """Log density of every observed row given a full draw, shape (K, n): what LOO needs."""
        sigma = np.exp(theta[:, -1])[:, None]
        few = max(1, _CACHED // (len(self.arms.families) * self.design.train))
        at = [slice(k, k + few) for k in range(0, len(theta), few)]
        media = np.concatenate([self.fitted_media(theta[some]) for some in at])
        left = self.marginal.residual(media)
        gamma = self.marginal.drawn(self.marginal.coefficients(left, sigma[:, 0]), sigma[:, 0], rng)
        baseline = self.design.baseline[self.design.observed]
        residual = left - self.marginal.whitener.apply(gamma @ baseline.T)
        inner = -0.5 * (residual / sigma) ** 2 - np.log(sigma) - 0.5 * _LOG_2PI
        out: Floats = inner + np.log(self.marginal.whitener.root)
        return out

    def _log_roi(self, theta: Floats) -> Floats:
        """(K, A)"""
        out = theta[:, self.layout.roi[self.arms.channel]]
        for level in self.layout.levels:
            deviation = np.where(level.member >= 0, theta[:, level.member], 0.0)
            out = out + np.exp(theta[:, level.spread])[:, None] * deviation
        return out

    def _truly(self, theta: Floats) -> Floats:
        """(A, K) what a test measures over what the regression sees, 1 for channels without."""
        return np.exp(-picked(theta, self.layout.error)[:, self.arms.channel].T)

    def _scale(self, theta: Floats, saturated: Floats) -> Floats:
        """(A, K) response at level one, in outcome sd."""
        level = np.maximum(saturated[:, :, : self.design.train].mean(axis=2), _TINY)
        out: Floats = np.exp(self._log_roi(theta)).T * self.unit[:, None] / level
        return out

    def _summed(self, scale: Floats, saturated: Floats) -> Floats:
        """What all arms do, (K, rows of all geos), from (A, K) and (A, K, rows of one)."""
        if len(self.design.geos) > 1:
            return self._by_geo(scale[:, :, None] * saturated).astype(np.float64)
        by_point = np.ascontiguousarray(scale.T)[:, None, :]
        out: Floats = np.matmul(by_point, saturated.transpose(1, 0, 2))[:, 0].astype(np.float64)
        return out

    def _by_geo(self, media: Floats) -> Floats:
        """(K, rows of all geos) from (A, K, rows of one)."""
        geos = len(self.design.geos)
        if geos == 1:
            return np.asarray(media.sum(axis=0))
        return np.concatenate([media[self.geo == g].sum(axis=0) for g in range(geos)], axis=1)

    def fitted_media(self, theta: Floats) -> Floats:
        """All that media do in the observed rows, (K, n), as precise as ``lags`` are."""
        return self._fitted(theta)[3][:, self.rows]

    def _fitted(self, theta: Floats) -> tuple[_Forward, Floats, Floats, Floats]:
        """Saturation, its mean (A, K), response at level one (A, K), media (K, G train)."""
        train, kind = self.design.train, self.lags.dtype
        forward = self.arms.forward(theta, self.lags)
        saturated = forward.saturated
        mean = saturated @ np.full(train, 1.0 / train, dtype=kind)
        level = np.maximum(mean.astype(np.float64), _TINY)
        scale = np.exp(self._log_roi(theta)).T * self.unit[:, None] / level
        media = self._summed(scale.astype(kind), saturated)
        for place, pair in zip(self.layout.pairs, self.pairs, strict=True):
            strength = STRENGTH * theta[:, place, None]
            for i, j in pair:
                at = slice(self.geo[i] * train, (self.geo[i] + 1) * train)
                media[:, at] += strength * saturated[i] * saturated[j]
        return forward, level, scale, media

    def _log_posterior(self, theta: Floats, under: Marginal) -> tuple[Floats, Floats]:
        layout, train, kind = self.layout, self.design.train, self.lags.dtype
        forward, level, scale, media = self._fitted(theta)
        saturated = forward.saturated
        strength = STRENGTH * theta[:, layout.pairs].T  # (P, K)
        residual = under.residual(media[:, self.rows])
        value, solved, by_sigma = under.log_likelihood(residual, np.exp(theta[:, layout.sigma]))
        push = under.whitener.transposed(solved).astype(kind)  # d value / d media
        if not isinstance(self.rows, slice):
            whole = np.zeros(media.shape, dtype=kind)
            whole[:, self.rows] = push
            push = whole
        push = push.reshape(theta.shape[0], len(self.design.geos), train).transpose(1, 0, 2)
        # (A, K, train), a view of one geo's where there is one
        pushed = push[self.geo] if len(push) > 1 else np.broadcast_to(push, saturated.shape)
        by_scale = np.einsum("akt,akt->ak", pushed, saturated).astype(np.float64)
        gradient = np.zeros_like(theta)
        by_weights = np.zeros((*scale.shape, self.lags.shape[2]))
        by_half, by_shape = np.zeros_like(scale), np.zeros_like(scale)
        truly = scale * self._truly(theta) if self.lifts else scale
        for lift in self.lifts:
            value += self._add_lift(
                lift, theta, truly, strength, gradient, by_scale, by_weights, by_half, by_shape
            )
        by_saturated = pushed - (by_scale / (level * train))[:, :, None].astype(kind)
        by_saturated *= scale[:, :, None].astype(kind)
        for place, pair in enumerate(self.pairs):
            for i, j in pair:
                both = pushed[i] * saturated[i] * saturated[j]
                gradient[:, layout.pairs[place]] += STRENGTH * both.sum(axis=1)
                by_saturated[i] += strength[place][:, None] * pushed[i] * saturated[j]
                by_saturated[j] += strength[place][:, None] * pushed[i] * saturated[i]
        by_half += np.einsum("akt,akt->ak", by_saturated, forward.by_half)
        if (layout.shape >= 0).any():
            by_shape += np.einsum("akt,akt->ak", by_saturated, forward.by_shape)
        by_saturated *= forward.by_adstock
        by_weights += np.matmul(by_saturated, self.lags)
        self.gather.into(gradient, theta, forward, scale * by_scale, by_weights, by_half, by_shape)
        gradient[:, layout.sigma] += by_sigma
        prior, prior_gradient = self.prior.log_density(theta)
        return value + prior, gradient + prior_gradient

    def _add_lift(
        self,
        lift: LiftTerm,
        theta: Floats,
        scale: Floats,
        strength: Floats,
        gradient: Floats,
        by_scale: Floats,
        by_weights: Floats,
        by_half: Floats,
        by_shape: Floats,
    ) -> Floats:
        """Log density (K,) of a test; its derivatives are added to those given, in place.

        ``scale`` (A, K) is what truly comes, without the systematic error.
        """
        forward = self.arms.some(lift.arms).forward(theta, lift.lags)
        gained, joint, expected = self._of_lift(lift, forward.saturated, scale, strength)
        off = (lift.change - expected) / lift.error
        pull = off / lift.error * self.design.outcome_scale[self.geo[lift.arms]][:, None]  # (M, K)
        by_scale[lift.arms] += self._truly(theta)[lift.arms] * pull * gained
        place = self.layout.error[self.arms.channel[lift.arms]]
        for m in np.flatnonzero(place >= 0):
            gradient[:, place[m]] -= scale[lift.arms[m]] * pull[m] * gained[m]
        by_saturated = (scale[lift.arms] * pull)[:, :, None] * lift.sign
        for p, i, j, both in joint:
            gradient[:, self.layout.pairs[p]] += STRENGTH * pull[i] * both
            push = (strength[p] * pull[i])[:, None] * lift.sign
            by_saturated[i] += push * forward.saturated[j]
            by_saturated[j] += push * forward.saturated[i]
        by_weights[lift.arms] += np.matmul(by_saturated * forward.by_adstock, lift.lags)
        by_half[lift.arms] += (by_saturated * forward.by_half).sum(axis=2)
        by_shape[lift.arms] += (by_saturated * forward.by_shape).sum(axis=2)
        out: Floats = -0.5 * off**2 - 0.5 * _LOG_2PI - float(np.log(lift.error))
        return out

    def _of_lift(
        self, lift: LiftTerm, saturated: Floats, scale: Floats, strength: Floats
    ) -> tuple[Floats, list[tuple[int, int, int, Floats]], Floats]:
        """What a test changed: levels (M, K), those of pairs that meet, and the outcome (K,)."""
        to_outcome = self.design.outcome_scale[self.geo[lift.arms]][:, None]
        gained = (saturated * lift.sign).sum(axis=2)
        expected = (scale[lift.arms] * to_outcome * gained).sum(axis=0)
        at = {arm: m for m, arm in enumerate(lift.arms.tolist())}
        joint = [
            (p, at[i], at[j], ((saturated[at[i]] * saturated[at[j]]) @ lift.sign))
            for p, pair in enumerate(self.pairs)
            for i, j in pair
            if i in at and j in at
        ]
        for p, i, _, both in joint:
            expected = expected + strength[p] * to_outcome[i] * both
        return gained, joint, expected

    def lifted(self, theta: Floats) -> tuple[Lifted, ...]:
        """Each lift test with what points (K, size) say that it changed."""
        scale = self._scale(theta, self.arms.forward(theta, self.design.lags).saturated)
        scale = scale * self._truly(theta)
        strength = STRENGTH * theta[:, self.layout.pairs].T
        return tuple(
            (lift, self._of_lift(lift, found.saturated, scale, strength)[2])
            for lift in self.lifts
            for found in [self.arms.some(lift.arms).forward(theta, lift.lags)]
        )

    def log_null(self, log_sigma: Floats) -> tuple[Floats, Floats]:
        """Log posterior (K,) and gradient of log sigma alone in the model without any media."""
        sigma = np.exp(log_sigma)
        residual = np.broadcast_to(
            self.marginal.target, (log_sigma.size, self.marginal.target.size)
        )
        value, _, by_sigma = self.marginal.log_likelihood(residual, sigma)
        for lift in self.lifts:
            off = lift.change / lift.error
            value = value - 0.5 * off**2 - 0.5 * _LOG_2PI - float(np.log(lift.error))
        prior, prior_gradient = log_half_normal(log_sigma)
        return value + prior, by_sigma + prior_gradient

    def linear_moments(self, theta: Floats, under: Marginal | None = None) -> tuple[Floats, Floats]:
        """Posterior mean (K, p) of gamma given points, and all that media do (K, R)."""
        under = self.marginal if under is None else under
        media = self.signal(theta)
        residual = under.residual(media[:, self.design.observed])
        return under.coefficients(residual, np.exp(theta[:, self.layout.sigma])), media

    def linear_draws(
        self, theta: Floats, rng: np.random.Generator, under: Marginal | None = None
    ) -> tuple[Floats, Floats]:
        """One draw of gamma (K, p) a point, and all that media do (K, R)."""
        mean, media = self.linear_moments(theta, under)
        under = self.marginal if under is None else under
        return under.drawn(mean, np.exp(theta[:, self.layout.sigma]), rng), media


def build_model(
    design: Design,
    returns: ReturnPrior,
    choice: Choice,
    weights: Floats | None = None,
    correlation: float = 0.0,
    *,
    pairs: tuple[tuple[int, int], ...] = (),
    shrunk: bool = False,
    lifts: tuple[LiftTerm, ...] = (),
) -> MediaModel:
    """Whiten and decompose the baseline once.

    Parameters
    ----------
    weights
        (n,) of observed rows, default ones.
    pairs
        Channels (places among the active ones) that interact: every two of their campaigns in a
        geo with one and the same strength.
    """
    seen = design.observed
    whitener = Whitener.of(seen, weights, correlation, every=design.periods)
    tested = {int(design.channel_of_arm[arm]) for lift in lifts for arm in lift.tested}
    layout = lay_out(choice, design.arms, len(pairs), tested)
    channel, geo = design.channel_of_arm, design.geo_of_arm
    meeting = arm_pairs(design, pairs)
    of_channel = Arms(layout, channel, tuple(choice.saturations[c] for c in channel))
    fitted = seen[design.training]
    return MediaModel(
        design=design,
        returns=returns,
        layout=layout,
        prior=prior_of(layout, returns, design.frequency, shrunk=shrunk),
        pairs=meeting,
        lifts=tuple(lift.near(meeting) for lift in lifts),
        marginal=Marginal.of(whitener, design.baseline[seen], design.outcome[seen]),
        arms=of_channel,
        gather=_Gather.of(of_channel),
        geo=geo,
        unit=design.mean_spend / design.outcome_scale[geo],
        lags=np.ascontiguousarray(design.lags[:, : design.train]),
        seen=fitted,
        rows=slice(None) if fitted.all() else fitted,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """One level of the hierarchy: its M members' coordinates, and which of J arms is whose."""

    spread: int
    members: Ints  # (M,)
    arms: Ints  # (J,) those that deviate on this level
    own: Ints  # (J,) coordinate of each one's deviation
    whose: Floats  # (J, M) zeros and ones


@dataclass(frozen=True, slots=True, eq=False)
class _Gather:
    """Sums derivatives by arm into the gradient of the coordinates that arms share.

    Worked out once for a model: what stands where in a gradient.
    Derivatives of all channels by return, adstock (twice), half-saturation and shape, one block
    below the other, are ``take``n where there is a coordinate and ``put`` there.
    """

    arms: Arms
    take: Ints
    put: Ints
    levels: tuple[_Shared, ...]

    @classmethod
    def of(cls, arms: Arms) -> _Gather:
        """For these arms."""
        layout = arms.layout
        blocks = (layout.roi, layout.first, layout.second, layout.half, layout.shape)
        places = np.concatenate(blocks)
        take = np.flatnonzero(places >= 0)
        levels = []
        for level in layout.levels:
            has = np.flatnonzero(level.member >= 0)
            members, whose = np.unique(level.member[has], return_inverse=True)
            onto = np.eye(members.size)[whose]
            levels.append(_Shared(level.spread, members, has, level.member[has], onto))
        return cls(arms, take, places[take], tuple(levels))

    def into(
        self,
        gradient: Floats,
        theta: Floats,
        forward: _Forward,
        by_log_roi: Floats,
        by_weights: Floats,
        by_half: Floats,
        by_shape: Floats,
    ) -> None:
        """Write derivatives of arms (A, K, ...) into ``gradient`` (K, size) at ``theta``."""
        sums = self.arms.by_channel
        weights = sums(by_weights)
        stacked = np.concatenate(
            (
                sums(by_log_roi),
                np.einsum("ckl,ckl->ck", weights, forward.by_first),
                np.einsum("ckl,ckl->ck", weights, forward.by_second),
                sums(by_half),
                sums(by_shape),
            )
        )
        gradient[:, self.put] = stacked[self.take].T
        for level in self.levels:
            pull = np.exp(theta[:, level.spread])[:, None] * by_log_roi[level.arms].T  # (K, J)
            gradient[:, level.members] = pull @ level.whose
            gradient[:, level.spread] = (theta[:, level.own] * pull).sum(axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Unpacked:
    """Points in natural parameters, K of them.

    Attributes
    ----------
    roi
        (K, A) return of each arm.
    first, second
        (K, C) natural parameters of the adstock (``kernels``); the second may be meaningless.
    half, shape
        (K, C); half in units of the spend scale, shape 1 where a family has none.
    strength
        (K, P) of interactions, in outcome sd.
    sigma
        (K,) in outcome sd.
    """

    roi: Floats
    first: Floats
    second: Floats
    half: Floats
    shape: Floats
    strength: Floats
    sigma: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Forward:
    """Saturated arms over some rows: weights (C, K, L), all else (A, K, rows)."""

    by_first: Floats
    by_second: Floats
    saturated: Floats
    by_adstock: Floats
    by_half: Floats
    by_shape: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Which channel each arm belongs to, (A,), and its family of saturation."""

    layout: Layout
    channel: Ints
    families: tuple[str, ...]

    def some(self, places: Ints) -> Arms:
        """The arms at ``places``."""
        names = tuple(self.families[a] for a in places.tolist())
        return replace(self, channel=self.channel[places], families=names)

    def forward(self, theta: Floats, lags: Floats) -> _Forward:
        """Saturation at points (K, size) over rows given by their lags (A, rows, L)."""
        layout, length = self.layout, lags.shape[2]
        rows = np.ascontiguousarray(theta.T)
        first = rows[layout.first]
        groups = kernels.grouped(layout.choice.adstocks)
        if len(groups) == 1 and groups[0][0] == "geometric":
            parts = kernels.normalised_weights("geometric", first, first, length)
        else:
            second = _picked(rows, layout.second)
            empty = (np.empty((*first.shape, length)) for _ in range(3))
            parts = (next(empty), next(empty), next(empty))
            for family, of in groups:
                found = kernels.normalised_weights(family, first[of], second[of], length)
                for target, values in zip(parts, found, strict=True):
                    target[of] = values
        own = slice(None) if self.alike else self.channel
        kind = lags.dtype  # everything along the rows is as precise as the lags are
        half = np.exp(rows[layout.half]).astype(kind)[own, :, None]
        shape = np.exp(_picked(rows, layout.shape)).astype(kind)[own, :, None]
        adstock = np.matmul(parts[0].astype(kind)[own], lags.transpose(0, 2, 1))
        return _Forward(parts[1], parts[2], *kernels.saturate(self.families, adstock, half, shape))

    @property
    def alike(self) -> bool:
        """Every channel is one arm: arms and channels are the same, in the same order."""
        count = self.layout.roi.size
        return self.channel.size == count and bool((self.channel == np.arange(count)).all())

    def by_channel(self, values: Floats) -> Floats:
        """Sums over the arms of each channel, (C, ...) from (A, ...)."""
        channels = self.layout.roi.size
        if self.alike:
            return values
        # A product with zeros and ones: ufunc.at takes several times as long.
        out: Floats = np.eye(channels)[self.channel].T @ values.reshape(self.channel.size, -1)
        return out.reshape(channels, *values.shape[1:])


def picked(theta: Floats, places: Ints) -> Floats:
    """Coordinates (K, C), zero where a channel has none."""
    out: Floats = np.where(places >= 0, theta[:, places], 0.0)
    return out


def _picked(rows: Floats, places: Ints) -> Floats:
    """The same of points (size, K): (C, K)."""
    if (places >= 0).all():
        return np.asarray(rows[places])
    return np.asarray(np.where((places >= 0)[:, None], rows[places], 0.0))
