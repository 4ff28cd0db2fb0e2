"""Profit, least spend and efficiency targets over boxes and at most one budget."""
