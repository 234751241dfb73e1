"""The text encoder: a BERT-shaped checkpoint to an ONNX graph with pooling and normalising inside, no torch."""
