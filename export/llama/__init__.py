"""Llama checkpoints as the model `llama`: onnxruntime-genai's builder, a gate against transformers, a manifest."""
