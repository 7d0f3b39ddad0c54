"""Training: one loop (`loop`), what it trains on Storybook and on the benchmarks, and the command."""
