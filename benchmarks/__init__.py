"""Measurements, each in a file of its own: `python -m benchmarks`. No part of the gate."""
