"""Batch jobs that turn checkpoints into versions of the model repository. The only room that may use torch."""
