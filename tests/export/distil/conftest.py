"""Tests that need PyTorch are collected only where it is: `make test-export` runs them."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["test_training.py"]
