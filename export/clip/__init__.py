"""CLIP checkpoints (transformers' CLIPModel and VisionTextDualEncoder, open_clip's own format) to two towers."""
