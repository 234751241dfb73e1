"""`make bench-ingest`: how fast documents become searchable, which stage costs what, and who waits meanwhile."""
