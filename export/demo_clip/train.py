"""Trains the demo's picture tower by locked-text tuning: pictures are pulled to their captions' frozen vectors.

Run with the export environment: `python -m export.demo_clip.train`. It resumes from its last checkpoint.
Method: locked-image tuning (Zhai et al., arXiv 2111.07991) with the towers' roles exchanged. The first
pictures are small, the last of full size (progressive resizing), which on a CPU halves the time.
"""

import argparse
import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Subset

from export.demo_clip import config
from export.demo_clip.captions import cached_vectors
from export.demo_clip.model import PictureTower
from export.demo_clip.pictures import PictureStream
from export.demo_clip.subjects import Subject, pair_subjects, single_subjects

BATCH = 128
N_PAIRS = 1500
SCALE = 50.0
"""Inverse temperature of both softmaxes."""

PEAK_RATE = 2e-3
SMALL_SIZE = 64


class CaptionBank:
    """All captions' vectors, and the mean vector of each subject's captions."""

    def __init__(self, subjects: list[Subject], cache: Path) -> None:
        texts = [caption for subject in subjects for caption in subject.captions]
        self.vectors = torch.from_numpy(cached_vectors(texts, cache))
        counts = [len(subject.captions) for subject in subjects]
        self.starts = torch.from_numpy(np.cumsum([0, *counts[:-1]]))
        means = [part.mean(0) for part in self.vectors.split(counts)]
        self.means = F.normalize(torch.stack(means), dim=-1)

    def captions(self, subjects: Tensor, numbers: Tensor) -> Tensor:
        return self.vectors[self.starts[subjects] + numbers]


def loss_of(vectors: Tensor, captions: Tensor, subjects: Tensor, means: Tensor) -> Tensor:
    """Picture against all subjects, caption against the batch's pictures, and the angle to its own caption."""
    to_subject = F.cross_entropy(SCALE * vectors @ means.T, subjects)
    logits = SCALE * captions @ vectors.T
    same = (subjects[:, None] == subjects[None, :]) & ~torch.eye(len(subjects), dtype=torch.bool)
    to_picture = F.cross_entropy(logits.masked_fill(same, -1e4), torch.arange(len(subjects)))
    angle = (1 - (vectors * captions).sum(-1)).mean()
    return to_subject + 0.5 * to_picture + 2.0 * angle


def rate_at(step: int, steps: int) -> float:
    """Warm-up over the first 3 %, then a half cosine to zero."""
    warm = max(1, steps * 3 // 100)
    if step < warm:
        return PEAK_RATE * (step + 1) / warm
    return PEAK_RATE * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def _save_checkpoint(path: Path, state: dict[str, object]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def train(steps: int, stop_at: int, small_steps: int, cache: Path, threads: int) -> tuple[PictureTower, float]:
    """The averaged tower, and the seconds spent in training, resumed parts included.

    The learning rate is planned over `steps` batches. Training ends at batch `stop_at`, where the average of the
    weights is nearly as good as at the plan's end.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(config.TRAINING_SEED)
    cache.mkdir(parents=True, exist_ok=True)
    subjects = single_subjects() + pair_subjects(config.TRAINING_SEED, N_PAIRS)
    bank = CaptionBank(subjects, cache)
    print(f"{len(subjects)} subjects, {len(bank.vectors)} captions", flush=True)
    tower = PictureTower().to(memory_format=torch.channels_last)
    average = AveragedModel(tower, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimiser = torch.optim.AdamW(tower.parameters(), weight_decay=0.05)
    checkpoint, first, spent = cache / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["plan"] == [steps, small_steps]:
            tower.load_state_dict(state["tower"])
            average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            first, spent = int(state["step"]), float(state["spent"])
            print(f"resumed at step {first}", flush=True)
    sizes = (SMALL_SIZE, config.IMAGE_SIZE)
    stream = PictureStream(subjects, config.TRAINING_SEED, steps * BATCH, small_steps * BATCH, sizes)
    rest = Subset(stream, range(first * BATCH, stop_at * BATCH))
    begun, running = time.monotonic() - spent, 0.0
    for step, (pictures, numbers, chosen) in enumerate(
        DataLoader(rest, BATCH, num_workers=1, prefetch_factor=4), first
    ):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, steps)
        captions = bank.captions(numbers, chosen)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = tower(pictures)
        loss = loss_of(vectors.float(), captions, numbers, bank.means)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(tower)
        running = loss.item() if step == first else 0.95 * running + 0.05 * loss.item()
        if (step + 1) % 50 == 0 or step + 1 == stop_at:
            spent = time.monotonic() - begun
            print(f"step {step + 1}/{stop_at}  loss {running:.3f}  {spent:.0f} s", flush=True)
            _save_checkpoint(
                checkpoint,
                {
                    "plan": [steps, small_steps],
                    "step": step + 1,
                    "spent": spent,
                    "tower": tower.state_dict(),
                    "average": average.state_dict(),
                    "optimiser": optimiser.state_dict(),
                },
            )
    finished: PictureTower = average.module
    return finished.eval(), spent


def save_weights(tower: PictureTower, path: Path) -> None:
    """Convolutions and head as fp16; batch norms, whose variances span decades, as fp32."""
    tensors = {
        name: (tensor.half() if tensor.ndim > 1 else tensor.float()).contiguous()
        for name, tensor in tower.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the demo's picture tower.")
    parser.add_argument("--steps", type=int, default=2000, help="length of the learning-rate plan, batches")
    parser.add_argument("--stop-at", type=int, default=1800, help="batch at which to end")
    parser.add_argument("--small-steps", type=int, default=1200, help="how many of them on pictures of 64 pixels")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    tower, seconds = train(options.steps, options.stop_at, options.small_steps, config.CACHE, options.threads)
    save_weights(tower, config.WEIGHTS)
    note = {
        "trained": datetime.now(UTC).date().isoformat(),
        "planned_steps": options.steps,
        "steps": options.stop_at,
        "batch": BATCH,
        "small_steps": options.small_steps,
        "training_minutes": round(seconds / 60, 1),
        "training_threads": options.threads,
        "seed": config.TRAINING_SEED,
        "parameters": sum(parameter.numel() for parameter in tower.parameters()),
    }
    (config.CACHE / "training.json").write_text(json.dumps(note, indent=2))
    print(json.dumps(note))


if __name__ == "__main__":
    main()
