"""Many short chains of Hamiltonian Monte Carlo in one batch, drawn until they agree.

Neal (MCMC using Hamiltonian dynamics, 2011) in coordinates in which the posterior is nearly a
standard normal: those of the Laplace approximation first, then those of the pooled covariance of
all chains; of a hierarchy, once spread and deviations are straightened (``Centring``). A few
leapfrogs then cross it, and every evaluation serves all chains at once.

1. Starts: of twice as many Laplace draws those kept by tempered importance weights, which drops the
   wildest (a half-saturation far beyond any spend seen).
2. Warm-up in a few stages: the step is tuned to an acceptance of 0.9; after a stage the pooled
   covariance is taken over and chains that hardly moved begin anew where another one stands.
3. Blocks of draws, until the rank-normalised split R-hat of all coordinates and their bulk
   effective sample size reach the goal, or the cap: then ``reached`` is false, as it
   is where more than one trajectory in a hundred diverged. Early divergences shorten the step.

Where the noise has tails or memory every second trajectory is followed by a Gibbs pass.
The draws kept are spread evenly over all that was drawn.

In a ``Centring`` a hierarchy's spread and its deviations hardly know of each other. A deviation is
the spread times a standard normal z, which suits members of which the data say little. Of a member
that the data know well it is the product that is fixed: z and the spread then lie on a hyperbola
that no linear map straightens, and chains creep along it. In between u = z spread^c is best, with c
the share of the member's variance that the data took away (Papaspiliopoulos, Roberts and Skold, A
general framework for the parametrization of hierarchical models, Statistical Science 2007): 0
leaves all as it is, 1 is the deviation itself.

Whether chains have forgotten where they began, and how many independent draws they are worth, is
told by rank-normalised split R-hat, its folded twin for the tails, and bulk effective sample size,
as Vehtari, Gelman, Simpson, Carpenter and Buerkner define them (Rank-normalization, folding, and
localization: an improved R-hat, Bayesian Analysis 2021), for all coordinates at once.

That pass draws the noise of each chain anew: tails, memory and the weight of every row. Student-t
innovations are normals whose precision has a weight w_t ~ Gamma(nu/2, nu/2) (Geweke, Bayesian
treatment of the independent Student-t linear model, 1993). Given a point of the model and its
linear part the innovations u_t are known, and one pass draws, in this order:

1. the correlation, from its density on a grid (Ritter and Tanner, the griddy Gibbs sampler, 1992);
2. the degrees of freedom, the weights integrated out, so that the two do not hold each other fast.
   For the same reason sigma moves along: heavier tails mean a smaller scale, and either alone would
   hardly ever change. Which sigma goes with which tails is read off u_t by a fixed recipe, so that
   these few (nu, sigma) are the same seen from any of them, and one is drawn by its density;
3. the weights, w_t ~ Gamma((nu + 1)/2, (nu + (u_t / sigma)^2)/2);
4. weights and sigma^2 times a common factor, which leaves the likelihood as it is: without it sigma
   follows the weights and they follow sigma (Liu and Wu, Parameter expansion for data augmentation,
   1999). The factor is Gamma(n nu / 2, nu sum w / 2) but for sigma's prior.

Holding the weights at their most likely values instead takes outliers for known: intervals then
come out too narrow by about sqrt((nu + 3)/(nu + 1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from shared.fit.models.bayesian.laplace import Mode, laplace_draws
from shared.fit.models.bayesian.layout import Layout, log_half_normal
from shared.fit.models.bayesian.model import MediaModel
from shared.fit.models.bayesian.noise import DEGREES, MOST, Marginal, Noise, Whitener

__all__ = [
    "Agreement",
    "Centring",
    "Noises",
    "Sample",
    "bulk_ess",
    "centring_of",
    "marginal_of",
    "normal_quantile",
    "r_hat",
    "redrawn",
    "repeated",
    "sample",
]

Floats = NDArray[np.float64]
_TARGET = 0.9
_LENGTH = 1.7  # of a trajectory, in standard deviations: a quarter of a period is pi / 2
_JITTER = 0.3
_LEAPFROGS = (3, 10)
_TEMPER = 0.5
_STUCK = 0.25  # acceptance in a stage of the warm-up under which a chain begins anew
_DIVERGED = 1000.0  # error of the energy (as Stan counts them)
_MOST_DIVERGED = 0.01  # of all trajectories: more, and a corner may not have been reached
_SHORTER = 0.75  # of the step after a block in which more than one in a thousand diverged
_KEPT = 60_000  # numbers of a baseline up to which its decompositions are kept
_NEARLY = 1.5  # times the goal's excess of R-hat over one: nearer, and ranks decide
_WATCHED = 8  # blocks after which the step stays
Ints = NDArray[np.int64]
#: Wichura's rational approximations, highest power first: numerator and denominator of each part.
_MIDDLE = (
    (59.109374720, 159.29113202, 50.434271938, 3.3871327179),
    (67.187563600, 78.757757664, 17.895169469, 1.0),
)
_TAIL = (
    (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777),
    (0.12021132975, 0.73700164250, 1.0),
)
_FAR = (
    (0.017337203997, 0.42868294337, 3.0812263860, 6.6579051150),
    (0.012258202635, 0.24197894225, 1.0),
)

_MEMORY = np.linspace(0.0, MOST, 69)
_STEPS = 8  # towards the most likely scale under given tails
_MEMORY_SD = 0.3  # half-normal prior of the correlation


@dataclass(frozen=True, slots=True)
class Agreement:
    """When to stop: R-hat and effective sample size of the worst coordinate, and the cap.

    ``block`` trajectories of every one of ``chains`` are drawn between looks, ``blocks`` at most,
    after stages of the warm-up of so many trajectories each.
    """

    r_hat: float = 1.02
    ess: float = 400.0
    chains: int = 16
    block: int = 20
    blocks: int = 45
    warm_up: tuple[int, ...] = (12, 12, 16, 10)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Joint draws (S, size), the noise of each, and how far the chains agree.

    ``r_hat`` and ``ess`` are those of the worst coordinate over all draws made, ``worst`` is the
    coordinate of that ``r_hat``; ``trajectories`` are those of each chain after the warm-up.
    """

    draws: Floats
    noises: Noises
    acceptance: float
    r_hat: float
    worst: int
    ess: float
    divergences: int
    chains: int
    trajectories: int
    reached: bool


class _Chains:
    """The state of all chains: K points x; centre + root x are coordinates of a ``Centring``."""

    def __init__(
        self, model: MediaModel, mode: Mode, noise: Noise, chains: int, rng: np.random.Generator
    ) -> None:
        self.model, self.rng = model.quick(), rng
        self.centring = centring_of(model.layout, mode)
        self.centre = self.centring.inward(mode.theta[None])[0]
        self.root = self.centring.root(mode)
        self.noises = repeated(noise, chains)
        self.free = np.isfinite(noise.degrees) or noise.correlation != 0.0
        self.under: Marginal = model.marginal
        # What is worked out by correlation is kept where it is small.
        small = model.design.baseline.size <= _KEPT
        self.known: dict[float, Marginal] | None = {} if small else None
        self.step = 1.2 / float(mode.theta.size) ** 0.25
        self.divergences = 0
        points = self.centring.inward(laplace_draws(mode, 2 * chains, rng))
        x = np.linalg.solve(self.root, (points - self.centre).T).T
        value, gradient = self.evaluated(x)
        log_weight = _TEMPER * (value + 0.5 * (x**2).sum(axis=1))
        # Gumbel's trick: the largest keys are a weighted sample without replacement.
        keep = np.sort(np.argsort(-(log_weight + rng.gumbel(size=value.size)))[:chains])
        self.x, self.value, self.gradient = x[keep], value[keep], gradient[keep]
        if self.free:
            self.renew()

    @property
    def points(self) -> Floats:
        """Where the chains stand, in the coordinates of the ``Centring``."""
        return np.asarray(self.centre + self.x @ self.root.T)

    @property
    def theta(self) -> Floats:
        """The same as points of the model."""
        return self.centring.outward(self.points)

    def evaluated(self, x: Floats) -> tuple[Floats, Floats]:
        """Log posterior and gradient; a point out of range is impossible."""
        with np.errstate(all="ignore"):
            points = self.centre + x @ self.root.T
            theta = self.centring.outward(points)
            value, gradient = self.model.log_posterior(theta, self.under)
            value, gradient = self.centring.density(points, value, gradient)
            fine = np.isfinite(value) & (np.abs(gradient).max(axis=1) < 1e100)
        if not fine.all():
            gradient = np.where(fine[:, None], gradient, 0.0)
            value = np.where(fine, value, -np.inf)
        return value, gradient @ self.root

    def renew(self) -> None:
        """Draw the noise of every chain anew; its scale may move along."""
        points, theta = self.points, self.theta
        self.noises, log_sigma = redrawn(self.model, theta, self.under, self.noises, self.rng)
        points[:, -1] += log_sigma - theta[:, -1]
        self.x = np.linalg.solve(self.root, (points - self.centre).T).T
        self.under = marginal_of(self.model, self.noises, self.known)
        self.value, self.gradient = self.evaluated(self.x)

    def move(self) -> Floats:
        """One trajectory of every chain; the probability (K,) with which each was taken."""
        rng, chains = self.rng, len(self.x)
        leaps = int(np.clip(round(_LENGTH / self.step), *_LEAPFROGS))
        length = self.step * rng.uniform(1.0 - _JITTER, 1.0 + _JITTER, size=(chains, 1))
        momentum = rng.standard_normal(self.x.shape)
        energy = self.value - 0.5 * (momentum**2).sum(axis=1)
        x, gradient, value = self.x, self.gradient, self.value
        momentum = momentum + 0.5 * length * gradient
        for leap in range(leaps):
            x = x + length * momentum
            value, gradient = self.evaluated(x)
            momentum = momentum + (0.5 if leap == leaps - 1 else 1.0) * length * gradient
        change = value - 0.5 * (momentum**2).sum(axis=1) - energy
        change = np.where(np.isfinite(change), change, -np.inf)
        self.divergences += int((change < -_DIVERGED).sum())
        rate = np.exp(np.minimum(change, 0.0))
        take = rng.uniform(size=chains) < rate
        self.x = np.where(take[:, None], x, self.x)
        self.value = np.where(take, value, self.value)
        self.gradient = np.where(take[:, None], gradient, self.gradient)
        return rate

    def warm_up(self, stages: tuple[int, ...]) -> None:
        """Tune the step and the coordinates in stages of so many trajectories."""
        for stage, trajectories in enumerate(stages):
            rates, seen = [], []
            for trajectory in range(trajectories):
                rate = self.move()
                rates.append(rate)
                seen.append(self.points)
                self.step *= float(np.exp((rate.mean() - _TARGET) * (1.0 + trajectory) ** -0.4))
                if self.free and trajectory % 2:
                    self.renew()
            self._reseed(np.mean(rates, axis=0))
            if stage < len(stages) - 1:
                self._adopt(np.concatenate(seen[trajectories // 3 :]))

    def _reseed(self, rate: Floats) -> None:
        stuck, good = np.flatnonzero(rate < _STUCK), np.flatnonzero(rate >= _STUCK)
        if stuck.size and good.size:
            source = np.arange(len(rate))
            source[stuck] = self.rng.choice(good, size=stuck.size)
            self.x, self.noises = self.x[source], self.noises.take(source)
            if self.free:
                self.under = marginal_of(self.model, self.noises, self.known)
            self.value, self.gradient = self.evaluated(self.x)

    def _adopt(self, seen: Floats) -> None:
        """Take over the pooled covariance of points (N, size), shrunk towards that in use."""
        points, count = self.points, len(seen)
        x = np.linalg.solve(self.root, (seen - self.centre).T).T
        size = x.shape[1]
        # Draws of a chain are dependent: they count as half as many.
        trust = 0.5 * count / (0.5 * count + 2.0 * size)
        covariance = trust * np.cov(x.T).reshape(size, size) + (1.0 - trust) * np.eye(size)
        inner = np.linalg.cholesky(covariance)
        self.centre = seen.mean(axis=0)
        self.root = self.root @ inner
        self.x = np.linalg.solve(self.root, (points - self.centre).T).T
        self.gradient = self.gradient @ inner


def sample(
    model: MediaModel,
    mode: Mode,
    count: int,
    rng: np.random.Generator,
    *,
    noise: Noise | None = None,
    goal: Agreement | None = None,
) -> Sample:
    """``count`` joint posterior draws; the same rng gives the same draws.

    Parameters
    ----------
    noise
        The model's noise; default normal without memory. Finite degrees of freedom and a
        correlation other than zero are where its chains start; they are then drawn as well.
    """
    goal = goal or Agreement()
    if noise is None:
        noise = Noise(np.ones(int(model.design.observed.sum())), 0.0, float("inf"))
    chains = _Chains(model, mode, noise, goal.chains, rng)
    chains.warm_up(goal.warm_up)
    chains.divergences = 0
    points: list[Floats] = []
    noises: list[Noises] = []
    rates: list[float] = []
    worst, place, ess = float("inf"), 0, 0.0
    for block in range(goal.blocks):
        before = chains.divergences
        for trajectory in range(goal.block):
            rates.append(float(chains.move().mean()))
            points.append(chains.theta)
            noises.append(chains.noises)
            if chains.free and trajectory % 2:
                chains.renew()
        if block < _WATCHED and chains.divergences - before > 0.001 * goal.block * goal.chains:
            chains.step *= _SHORTER
        if block == 0 or len(points) * goal.chains < count:
            continue
        drawn = np.stack(points)
        # Ranks take a while: only where chains agree well enough without them.
        last = block == goal.blocks - 1
        if last or float(_plain_r_hat(drawn).max()) <= 1.0 + _NEARLY * (goal.r_hat - 1.0):
            apart = r_hat(drawn)
            worst, place, ess = (
                float(apart.max()),
                int(apart.argmax()),
                float(bulk_ess(drawn).min()),
            )
            if worst <= goal.r_hat and ess >= goal.ess:
                break
    drawn = np.stack(points)
    places = np.unique(np.linspace(0, drawn[:, :, 0].size - 1, count).astype(int))
    at, chain = np.divmod(places, goal.chains)
    kept = [noises[t].take(np.array([c])) for t, c in zip(at, chain, strict=True)]
    return Sample(
        draws=drawn[at, chain],
        noises=Noises(
            np.concatenate([k.weights for k in kept]),
            np.concatenate([k.correlation for k in kept]),
            np.concatenate([k.degrees for k in kept]),
        ),
        acceptance=float(np.mean(rates)),
        r_hat=worst,
        worst=place,
        ess=ess,
        divergences=chains.divergences,
        chains=goal.chains,
        trajectories=len(points),
        reached=worst <= goal.r_hat
        and ess >= goal.ess
        and chains.divergences <= _MOST_DIVERGED * len(points) * goal.chains,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Centring:
    """Members of all levels, (M,): coordinate, that of the level's log spread, and c of each."""

    member: Ints
    spread: Ints
    share: Floats

    def inward(self, theta: Floats) -> Floats:
        """Points (K, size) of the model in these coordinates."""
        out = theta.copy()
        out[:, self.member] *= np.exp(self.share * theta[:, self.spread])
        return out

    def outward(self, points: Floats) -> Floats:
        """The inverse of ``inward``."""
        if not self.member.size:
            return points
        out = points.copy()
        out[:, self.member] *= np.exp(-self.share * points[:, self.spread])
        return out

    def density(self, points: Floats, value: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        """Log density (K,) and gradient (K, size) in these coordinates.

        ``value`` and ``gradient`` are the model's at ``outward(points)``.
        """
        if not self.member.size:
            return value, gradient
        log_spread = points[:, self.spread]
        fade = np.exp(-self.share * log_spread)
        by_log = -self.share * (gradient[:, self.member] * points[:, self.member] * fade + 1.0)
        out = gradient.copy()
        out[:, self.member] *= fade
        for spread in np.unique(self.spread):
            out[:, spread] += by_log[:, self.spread == spread].sum(axis=1)
        return value - (self.share * log_spread).sum(axis=1), out

    def root(self, mode: Mode) -> Floats:
        """``mode.root`` in these coordinates, to first order at the mode."""
        out = mode.root.copy()
        grown = np.exp(self.share * mode.theta[self.spread])
        lever = (self.share * mode.theta[self.member])[:, None]
        inner = mode.root[self.member] + lever * mode.root[self.spread]
        out[self.member] = grown[:, None] * inner
        return out


def centring_of(layout: Layout, mode: Mode) -> Centring:
    """Shares from the Laplace approximation: what is left of each member's variance of one."""
    member: list[int] = []
    spread: list[int] = []
    for level in layout.levels:
        places = np.unique(level.member[level.member >= 0])
        member += places.tolist()
        spread += [level.spread] * places.size
    at, of = np.array(member, dtype=np.int64), np.array(spread, dtype=np.int64)
    own = (mode.root[at] ** 2).sum(axis=1)
    wide = (mode.root[of] ** 2).sum(axis=1)
    both = (mode.root[at] * mode.root[of]).sum(axis=1)
    left = own - both**2 / np.maximum(wide, 1e-300)  # the spread held still
    return Centring(at, of, np.clip(1.0 - left, 0.0, 1.0))


def _plain_r_hat(chains: Floats) -> Floats:
    """Split R-hat of each coordinate as it is, without ranks, (D,): a first look, at once."""
    return _split_r_hat(_halves(chains))


def r_hat(chains: Floats) -> Floats:
    """The larger of the bulk's and the folded R-hat of each coordinate, shape (D,).

    Parameters
    ----------
    chains
        Shape (N, K, D): N draws of K chains, at least four.
    """
    folded = np.abs(chains - np.median(chains, axis=(0, 1)))
    bulk = _split_r_hat(_normal_scores(_halves(chains)))
    return np.maximum(bulk, _split_r_hat(_normal_scores(_halves(folded))))


def bulk_ess(chains: Floats) -> Floats:
    """Effective sample size of the rank-normalised split chains (N, K, D), shape (D,)."""
    scores = _normal_scores(_halves(chains))
    draws, count, _ = scores.shape
    within, over = _variances(scores)
    centred = scores - scores.mean(axis=0)
    padded = 2 ** int(np.ceil(np.log2(2 * draws)))
    spectrum = np.fft.rfft(centred, padded, axis=0)
    # Autocovariance by lag, divided by N whatever the lag, as Geyer (1992) advises.
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, padded, axis=0)[:draws].mean(axis=1) / draws
    rho = 1.0 - (within - covariance * draws / (draws - 1.0)) / over
    rho[0] = 1.0
    pairs = draws // 2
    sums = rho[: 2 * pairs].reshape(pairs, 2, -1).sum(axis=1)  # Geyer's pairs are positive
    alive = np.cumprod(sums > 0, axis=0).astype(bool)
    sums = np.where(alive, np.minimum.accumulate(np.where(alive, sums, np.inf), axis=0), 0.0)
    time = np.maximum(-1.0 + 2.0 * sums.sum(axis=0), 1.0 / np.log10(draws * count))
    out: Floats = draws * count / time
    return out


def _halves(chains: Floats) -> Floats:
    """(N // 2, 2 K, D): first and second halves as chains of their own."""
    half = len(chains) // 2
    return np.concatenate([chains[:half], chains[len(chains) - half :]], axis=1)


def _normal_scores(chains: Floats) -> Floats:
    """Ranks over all chains, through the normal quantile function (Blom's offsets)."""
    draws, count, size = chains.shape
    flat = chains.reshape(-1, size)
    ranks = np.arange(1.0, len(flat) + 1.0)
    scores = normal_quantile((ranks - 0.375) / (len(flat) + 0.25))
    out = np.empty(flat.shape)
    np.put_along_axis(out, np.argsort(flat, axis=0), scores[:, None], axis=0)
    return out.reshape(draws, count, size)


def normal_quantile(share: Floats) -> Floats:
    """Quantiles of the standard normal, (N,), to seven digits: Wichura's PPND7.

    Algorithm AS 241: The percentage points of the normal distribution (Applied Statistics, 1988).
    """
    middle = share - 0.5
    side = np.sqrt(-np.log(np.minimum(share, 1.0 - share)))
    near = np.polyval(_MIDDLE[0], 0.180625 - middle**2) / np.polyval(
        _MIDDLE[1], 0.180625 - middle**2
    )
    tail = np.polyval(_TAIL[0], side - 1.6) / np.polyval(_TAIL[1], side - 1.6)
    far = np.polyval(_FAR[0], side - 5.0) / np.polyval(_FAR[1], side - 5.0)
    outer = np.sign(middle) * np.where(side <= 5.0, tail, far)
    return np.asarray(np.where(np.abs(middle) <= 0.425, middle * near, outer))


def _variances(scores: Floats) -> tuple[Floats, Floats]:
    """Within chains, and of all together (too large until they agree), each (D,)."""
    draws = len(scores)
    between = draws * scores.mean(axis=0).var(axis=0, ddof=1)
    within = np.maximum(scores.var(axis=0, ddof=1).mean(axis=0), 1e-300)
    return within, within * (draws - 1.0) / draws + between / draws


def _split_r_hat(scores: Floats) -> Floats:
    within, over = _variances(scores)
    out: Floats = np.sqrt(over / within)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Noises:
    """K noises: weights (K, n), correlations (K,), degrees of freedom (K,), infinite for normal."""

    weights: Floats
    correlation: Floats
    degrees: Floats

    def take(self, places: NDArray[np.int64]) -> Noises:
        """Those at ``places``."""
        return Noises(self.weights[places], self.correlation[places], self.degrees[places])

    def mean(self) -> Noise:
        """One noise that stands for them all."""
        degrees = self.degrees
        middle = float(np.median(degrees)) if np.isfinite(degrees).all() else float("inf")
        return Noise(self.weights.mean(axis=0), float(self.correlation.mean()), middle)


def repeated(noise: Noise, count: int) -> Noises:
    """The same noise for every chain."""
    return Noises(
        np.tile(noise.weights, (count, 1)),
        np.full(count, noise.correlation),
        np.full(count, noise.degrees),
    )


def marginal_of(
    model: MediaModel, noises: Noises, known: dict[float, Marginal] | None = None
) -> Marginal:
    """The likelihood of every point under its own noise.

    Normal noise is told apart by its correlation alone, one of a few on a grid: what was worked out
    for it is kept in ``known``.
    """
    design = model.design
    seen = design.observed
    rows, outcome = design.baseline[seen], design.outcome[seen]
    whitener = Whitener.of(seen, noises.weights, noises.correlation[:, None], every=design.periods)
    if known is None or np.isfinite(noises.degrees).any():
        return Marginal.many(whitener, rows, outcome)
    correlations = noises.correlation.tolist()
    new = [value for value in dict.fromkeys(correlations) if value not in known]
    if new:
        first = [correlations.index(value) for value in new]
        found = Marginal.many(
            Whitener(whitener.root[first], noises.correlation[first, None], whitener.follows),
            rows,
            outcome,
        )
        known.update((value, found.some(slice(k, k + 1))) for k, value in enumerate(new))
    return Marginal.together(whitener, [known[value] for value in correlations])


def redrawn(
    model: MediaModel,
    theta: Floats,
    under: Marginal,
    noises: Noises,
    rng: np.random.Generator,
) -> tuple[Noises, Floats]:
    """One pass over the noise of every chain, at points (K, size), and log sigma (K,) with it.

    Chains whose degrees are infinite keep weights of one; a correlation of exactly zero in all of
    them stays (the data spoke for none, see ``noise``).
    """
    design = model.design
    seen = design.observed
    media, sigma = model.fitted_media(theta), np.exp(theta[:, -1])
    mean = under.coefficients(under.residual(media), sigma)
    gamma = under.drawn(mean, sigma, rng)
    error = design.outcome[seen] - media - gamma @ design.baseline[seen].T
    follows = under.whitener.follows
    correlation = noises.correlation
    if correlation.any():
        correlation = _memory(error, noises.weights, sigma, follows, rng)
    ones = np.ones_like(noises.weights)
    plain = Whitener(
        np.where(follows, ones, np.sqrt(1.0 - correlation[:, None] ** 2)),
        correlation[:, None],
        follows,
    )
    if not np.isfinite(noises.degrees).all():
        return Noises(ones, correlation, noises.degrees), theta[:, -1]
    square = plain.apply(error) ** 2
    weights, degrees, log_sigma = _tailed(square, noises.degrees, theta[:, -1], rng)
    return Noises(weights, correlation, degrees), log_sigma


def _tailed(
    square: Floats, degrees: Floats, log_sigma: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Weights (K, n), degrees of freedom (K,) and log sigma (K,) given u_t squared (K, n)."""
    degrees, log_sigma = _tails(square, degrees, log_sigma, rng)
    shape = np.broadcast_to(0.5 * (degrees[:, None] + 1.0), square.shape)
    inner = square / np.exp(2.0 * log_sigma)[:, None]
    weights = rng.standard_gamma(shape) / (0.5 * (degrees[:, None] + inner))
    factor = rng.standard_gamma(0.5 * degrees * square.shape[1])
    factor /= 0.5 * degrees * weights.sum(axis=1)
    moved = log_sigma + 0.5 * np.log(factor)
    likelier = log_half_normal(moved)[0] - log_half_normal(log_sigma)[0]
    taken = np.log(rng.uniform(size=factor.size)) < likelier
    weights *= np.where(taken, factor, 1.0)[:, None]
    return np.maximum(weights, 1e-8), degrees, np.where(taken, moved, log_sigma)


def _memory(
    error: Floats,
    weights: Floats,
    sigma: Floats,
    follows: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    """(K,) correlations given noise (K, n) and weights."""
    now, before = error[:, 1:][:, follows[1:]], error[:, :-1][:, follows[1:]]
    w = weights[:, 1:][:, follows[1:]]
    precision = 1.0 / sigma[:, None] ** 2
    straight = (w * now * before).sum(axis=1)[:, None] * precision
    squared = (w * before**2).sum(axis=1)[:, None] * precision
    began = (weights * error**2)[:, ~follows].sum(axis=1)[:, None] * precision
    log_density = straight * _MEMORY - 0.5 * squared * _MEMORY**2 + 0.5 * began * _MEMORY**2
    log_density += 0.5 * int((~follows).sum()) * np.log1p(-(_MEMORY**2))
    log_density -= 0.5 * (_MEMORY / _MEMORY_SD) ** 2
    return _MEMORY[_chosen(log_density, rng)]


def _tails(
    square: Floats, degrees: Floats, log_sigma: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """(K,) degrees of freedom, uniform beforehand, and log sigma, given squared innovations (K, n).

    Both move together along the most likely scales of ``square`` under each of ``DEGREES``.
    """
    rows, each = square.shape[1], np.arange(len(square))
    tried = np.array(DEGREES)[:, None, None]
    scale = np.broadcast_to(square.mean(axis=1), (len(tried), len(square)))
    for _ in range(_STEPS):  # expectation and maximisation, as in ``noise``
        light = tried + square / scale[:, :, None]
        scale = ((tried + 1.0) * square / light).mean(axis=2)
    along = 0.5 * np.log(scale)  # (degrees, K)
    now = np.abs(np.array(DEGREES)[:, None] - degrees).argmin(axis=0)
    sigmas = log_sigma + along - along[now, each]
    log_density = log_half_normal(sigmas)[0] - rows * sigmas
    for place, nu in enumerate(DEGREES):
        inner = square / (nu * np.exp(2.0 * sigmas[place]))[:, None]
        constant = lgamma((nu + 1) / 2) - lgamma(nu / 2) - 0.5 * np.log(nu)
        log_density[place] += rows * constant - 0.5 * (nu + 1) * np.log(1.0 + inner).sum(axis=1)
    chosen = _chosen(log_density.T, rng)
    return np.array(DEGREES)[chosen], sigmas[chosen, each]


def _chosen(log_density: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """One column a row, with these unnormalised log probabilities (Gumbel's trick)."""
    return np.asarray(np.argmax(log_density + rng.gumbel(size=log_density.shape), axis=1))
