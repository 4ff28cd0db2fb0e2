"""Learning from what happens: allocators, off-policy evaluation, tracking, policies, tests."""
