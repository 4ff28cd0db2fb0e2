"""The Bayesian media model: log posterior, mode, draws, curves."""
