"""Measurements, one module for each: `python -m benchmarks`. See README.md in this folder."""
