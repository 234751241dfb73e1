"""Writes the demo's documents in `samples/` from the texts in `sources/` and the drawing code of the demo CLIP.

Run with the export environment: `python -m export.samples`. The same inputs give the same bytes.
"""
