"""Cautious readings of the draws: ascent over weights of draws."""
