"""Experiments: designs, stopping rules, what to test next, and what a test found."""
