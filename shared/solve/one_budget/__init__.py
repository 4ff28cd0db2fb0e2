"""One budget over boxes: the dual, envelopes, domain reduction, branch and bound, counts."""
