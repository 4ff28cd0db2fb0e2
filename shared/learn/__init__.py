"""Learning from what happens: allocators, off-policy evaluation, tracking of plans."""
