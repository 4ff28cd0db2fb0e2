"""Penalised regression with a searched carryover and saturation, in Robyn's manner."""
