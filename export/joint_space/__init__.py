"""Makes a joint space of exported models: means, centring, and a repository of its own.

Runs the exported graphs by ONNX Runtime; no PyTorch.
"""
