"""Tests that write documents are collected only where reportlab is: `make test-export` runs them."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("reportlab") else ["test_writing.py"]
