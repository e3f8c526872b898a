"""What takes minutes, run by hand: `make soak`. It measures and prints; what must hold is proved by the tests."""
