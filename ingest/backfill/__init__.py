"""Fills a new generation of the index from what is there already, while documents go on arriving and leaving."""
