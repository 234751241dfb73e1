"""Doors that files come through without a caller waiting at them."""
