"""Generations of the index from the outside: running their processes, filling, comparing and ending them."""
