"""The batch job: many documents at once, past the workers, into the same store, log and index."""
