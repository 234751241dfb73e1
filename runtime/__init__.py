"""How a Trireme process lives: settings, logs, metrics, Kafka, Triton, the object store, health."""
