"""Sentence encoders (BERT, MiniLM, E5, BGE and their multilingual kin) with their own pooling, by tracing PyTorch.

`export/text_encoder` writes the demo's encoder without PyTorch; this one takes any checkpoint of these families.
"""
