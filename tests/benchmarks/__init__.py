"""Speed, as ratios between servers measured in turn: `make bench`. The results are in docs/benchmarks.md."""
