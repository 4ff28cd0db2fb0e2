"""Cutting off ends of ranges by a relaxation's multipliers (Lagrangian domain reduction).

The multipliers take the problem apart into single responses. Where the best that a response can do
on an end of its range is so much below its best anywhere that the bound falls to the cutoff, no
better plan is there: the proof gets a split, and the same multipliers prove the end's side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.problem.program import Program
from shared.problem.proof import SplitArgument
from shared.solve.engines.envelopes import Enveloper, ProgramBox
from shared.solve.program.box_branch import decision_split
from shared.solve.program.interior import RelaxedProgram
from shared.solve.search import Tree

__all__ = ["cut"]

Array = NDArray[np.float64]


def cut(
    tree: Tree,
    enveloper: Enveloper,
    slot: int,
    box: ProgramBox,
    relaxed: RelaxedProgram,
    cutoff: float,
    value: float,
    *,
    allowed: int,
    root: bool = False,
) -> tuple[ProgramBox, int]:
    """Shorten the ranges of responses that are not concave, by what the multipliers rule out.

    The box that is left, and the slot of the proof that stands for it; ``value`` is what an outcome
    is worth there. Every cut is one more leaf
    for whoever checks the proof, so at most ``allowed`` are made, the longest, and on a part of
    the whole region only long ones.
    """
    most_cuts, least_share = (100, 0.15) if root else (6, 0.6)
    most_cuts = min(most_cuts, allowed // 2)
    program = enveloper.program
    if not np.isfinite(cutoff) or value <= 0.0:
        return box, slot
    room = (relaxed.bound - cutoff) / value
    low, high = box.z_lower, box.z_upper
    width = high - low
    bend = np.broadcast_to(enveloper.bend[:, None], low.shape)
    matters = (width > 0.0) & (program.weight > 0.0) & np.isfinite(bend) & (bend > low)
    if not np.any(matters):
        return box, slot

    jump = enveloper.jump(box)
    tops = _Tops(enveloper, relaxed.nu)
    at_low = tops.gain(low)

    def top(a: Array, b: Array) -> Array:
        """Largest ``w f(z) - nu z`` of the curves themselves on [a, b], by their shape.

        Where the domain has a hole after ``low``, only what is beside it counts: the bound that
        ``room`` is taken from knows of the hole too.
        """
        on = np.maximum(a, np.minimum(jump, high))
        beyond = np.where(b >= on, tops.largest(on, np.maximum(b, on)), -np.inf)
        return np.where(a <= low, np.maximum(beyond, at_low), beyond)

    best = top(low, high)
    one = program.columns == 1
    leaf = tree.nodes[slot]
    out = box
    for keep_above in (True, False):
        least, most = np.zeros(low.shape), np.ones(low.shape)
        for _ in range(6):
            share = 0.5 * (least + most)
            ends = (low, low + share * width) if keep_above else (high - share * width, high)
            loss = best - top(*ends)
            if one:  # one decision: all its responses move together
                loss = np.broadcast_to(loss.sum(axis=1, keepdims=True), loss.shape)
            lost = loss > room
            least, most = np.where(lost, share, least), np.where(lost, most, share)
        if one:
            arms = np.flatnonzero(matters.any(axis=1) & (least[:, 0] > least_share))
            order = np.argsort(-least[arms, 0], kind="stable")[: allowed // 2]
            for a in np.sort(arms[order]).tolist():
                length = float(least[a, 0]) * float(box.u_upper[a, 0] - box.u_lower[a, 0])
                at = box.u_lower[a, 0] + length if keep_above else box.u_upper[a, 0] - length
                out, slot = _cut_decision(program, tree, slot, out, a, float(at), keep_above)
            continue
        pairs = np.argwhere(matters & (least > 0.2))
        order = np.argsort(-least[tuple(pairs.T)], kind="stable")[:most_cuts]
        for a, h in pairs[np.sort(order)].tolist():
            cut = float(least[a, h] * width[a, h])
            at = float(low[a, h] + cut if keep_above else high[a, h] - cut)
            nodes = tree.nodes
            first = len(nodes)
            nodes += [leaf, leaf]
            tree.set(slot, SplitArgument(a, h, at, first, first + 1))
            slot = first + 1 if keep_above else first
            out = (
                out.with_argument(a, h, lower=at)
                if keep_above
                else out.with_argument(a, h, upper=at)
            )
    return out, slot


def _cut_decision(
    program: Program,
    tree: Tree,
    slot: int,
    box: ProgramBox,
    arm: int,
    at: float,
    keep_above: bool,
) -> tuple[ProgramBox, int]:
    """Cut off an end of an arm's only decision."""
    if not box.u_lower[arm, 0] < at < box.u_upper[arm, 0]:
        return box, slot
    nodes = tree.nodes
    leaf, first = nodes[slot], len(nodes)
    nodes += [leaf, leaf]
    split, (below, above) = decision_split(program, box, arm, 0, at, first)
    tree.set(slot, split)
    return (above, first + 1) if keep_above else (below, first)


class _Tops:
    """Maxima of ``w f(z) - nu z`` on any ranges; the multipliers stay."""

    def __init__(self, enveloper: Enveloper, nu: Array) -> None:
        self.program, self.nu = enveloper.program, nu
        self.lively, self.steepest = np.zeros(nu.shape, dtype=bool), np.zeros(nu.shape)
        if self.program.draws is None:
            weight = enveloper.weight
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = nu / weight
            lively = (weight > 0.0) & (slope > 0.0)
            z = self.program.curves.at_slope(np.ascontiguousarray(np.where(lively, slope, 1.0).T)).T
            self.lively, self.steepest = lively & np.isfinite(z), z

    def gain(self, z: Array) -> Array:
        """(A, H) at ``z``."""
        return np.asarray(self.program.response(z) - self.nu * z)

    def largest(self, low: Array, high: Array) -> Array:
        """(A, H) at an end, or on the concave part at the slope ``nu``."""
        best = np.maximum(self.gain(low), self.gain(high))
        if self.program.draws is None:
            inner = np.where(self.lively, np.clip(self.steepest, low, high), low)
            return np.maximum(best, self.gain(inner))
        for share in np.linspace(0.0, 1.0, 17)[1:-1]:
            best = np.maximum(best, self.gain(low + share * (high - low)))
        return best
