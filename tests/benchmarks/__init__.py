"""Speed, as ratios between servers measured in turn within one run: `make bench`. README.md tells the results."""
