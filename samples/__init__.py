"""A simulated brand whose truth is known, and example requests."""
