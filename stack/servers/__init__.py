"""How the three foreign servers (Triton, Kafka, Redis) are laid out and started on one machine."""
