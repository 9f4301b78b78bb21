"""Measurements, not tests: `make bench` runs them on a database of their own and prints what it found."""
