"""Is a fit any good: forecasts, verdicts, the gate, the report."""
