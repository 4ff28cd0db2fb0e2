"""Bounds and rechecks from proofs alone; nothing here imports a solver."""
