"""Spending as a sequence of decisions: exact, learnt, and compared."""
