"""Kinds of segment: how candidates are found before they are ranked exactly.

`parameters` says which kind a segment of which size gets; `graph`, `halves` and `inverted` are the kinds.
All speak slots and scores, know no documents, and never change once built.
"""
