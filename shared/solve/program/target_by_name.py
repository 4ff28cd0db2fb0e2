"""Searches by name for goals with floors: penalties while they search, a repair at their end.

The bound is that of the exact solver's root, whose multipliers say what missing a floor must cost.
What a search comes back with is mixed with a plan known to meet the floors as far as they need.
"""

from __future__ import annotations

from dataclasses import replace

from shared import work
from shared.problem.proof import Proof
from shared.problem.repair import repair
from shared.solve.named.by_pieces import search_pieces
from shared.solve.named.polyhedron import Polyhedron, centre
from shared.solve.named.search import search as search_space
from shared.solve.named.space import Searched
from shared.solve.named.target_space import TargetSpace
from shared.solve.program.target_dual import Descended, descend, first_guess
from shared.solve.program.target_search import Line, Part, TargetSearch, lifted

__all__ = ["search_by_name"]

_DEARER = 3.0  # times the multipliers: what missing a floor costs a search


def search_by_name(search: TargetSearch, lines: tuple[Line, ...]) -> tuple[Proof, Descended, str]:
    """Search by ``search.options.method``; the best plan is left in ``search``.

    ``search`` has a plan that meets the floors. The answer also says what was done.
    """
    now = work.now()
    left = search.deadline - now
    exact = replace(search, deadline=now + 0.35 * left)
    whole = Part(search.program.lower, search.program.upper)
    root = descend(exact, whole, first_guess(search), lines)
    found = _searched(search, root)
    plan = repair(search.program, found.point.reshape(search.program.lower.shape))
    good = search.best
    if plan is not None:
        line = search.offer(search.measured(plan))
        if good is not None and not line.meets:
            search.mix(line, good)
    search.iterations += found.evaluations + exact.iterations
    search.nodes += 1
    why = f"Asked for by name. {found.note} Missing a target costs it a penalty."
    if not found.finished:
        why += " The time limit cut the search short."
    return root.proof, root, why + " The bound is that of the exact solver's root."


def _searched(search: TargetSearch, root: Descended) -> Searched:
    program, method = search.program, search.options.method
    assert search.best is not None
    known = (search.best.u,)
    still = Searched(known[0].ravel(), 0.0, 0, "It found no plan of its own.", True)
    if method == "piecewise":
        task, _ = lifted(program, search.aim, root.thetas)
        found = search_pieces(
            task, gap=search.options.gap, deadline=search.deadline, start=known[0]
        )
        return found or still
    lower, upper, rows = program.lower.ravel(), program.upper.ravel(), program.rows
    inside = centre(lower, upper, rows.matrix, rows.lower, rows.upper)
    if inside is None:
        return still
    walls = Polyhedron(lower, upper, rows.matrix, rows.lower, rows.upper, inside)
    least = 0.1 * max(search.aim.value, max(root.thetas, default=0.0))
    penalties = tuple(_DEARER * max(theta, least) for theta in root.thetas)
    space = TargetSpace(program, search.aim, penalties, walls, search.deadline, known)
    return search_space(space, method, search.options.seed)
