"""Exponential curves whose strength is learnt period by period, and the method they came from."""
