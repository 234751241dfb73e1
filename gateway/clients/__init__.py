"""The gateway's sides of Kafka, Redis, Triton and SQLite: each fulfils a port that a flow defines."""
