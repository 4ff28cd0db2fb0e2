"""The general program: interior point, branch and bound, integer programmes, interactions."""
