"""Worlds of another kind than the fitted model, with a known truth for every plan."""
