"""What all models of media share: curves, priors, lift tests, interactions, a search."""
