"""A captioner of the BLIP family (picture encoder, text decoder with cross-attention) as two ONNX graphs.

The graphs are one model of the repository, `captioner`, which `deploy/triton/backends/captioner` serves.
"""
