"""`make bench-quality`: retrieval on a generated collection whose right answers are known by construction."""
