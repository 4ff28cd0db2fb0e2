"""The Bayesian media model: priors, log posterior, mode, draws, curves."""
