"""Drives the running system from outside and measures it. Figures land in docs/benchmarks with their command."""
