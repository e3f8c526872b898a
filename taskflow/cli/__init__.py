"""The commands, and what stands in for the operator while developing."""
