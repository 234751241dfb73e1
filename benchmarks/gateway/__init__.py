"""`make bench-gateway`: what the gateway costs, and what stands between it and the shards."""
