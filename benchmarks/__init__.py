"""What it costs: ``python -m benchmarks`` prints one table; ``harness`` says how."""
