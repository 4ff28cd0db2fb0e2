"""How every test runs: the real clock stands still, and property tests draw the same examples.

Searches stop by counted work (``shared.work``); the real clock is only their emergency stop, which
here never comes, so that an answer does not follow from how busy the machine is.

``./check explore`` draws at random instead (profile ``explore``).
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from shared import work

work.clock = lambda: 0.0

# Health checks and deadlines are by the clock.
ALIKE = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("check", ALIKE, derandomize=True)
settings.register_profile("explore", ALIKE, max_examples=200, print_blob=True)
settings.load_profile("check")
