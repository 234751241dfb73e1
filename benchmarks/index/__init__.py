"""`make bench-index`: what the index costs and finds, beside Faiss in process and beside other engines."""
