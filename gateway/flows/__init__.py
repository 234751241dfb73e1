"""What the gateway does for a request, step by step, over ports that it defines itself. Knows nothing of HTTP."""
