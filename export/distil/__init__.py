"""Distillation: a small picture tower learns to give a large one's vectors, so that both speak one space.

`train`, `record` and `python -m export.distil` need the export environment; everything else needs no PyTorch.
"""
