"""Teaches a student the teacher's vectors. Interrupted, it goes on from its last checkpoint and ends the same.

Losses: the angle to the teacher's vector (feature mimicry), and two contrastive ones against locked vectors, as in
the interactive contrastive learning of CLIP-KD (Yang et al., arXiv 2307.12732): the student's picture against all
teacher's vectors of the batch, and against the mean caption vector of every subject.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from export.demo_clip.model import PictureTower
from export.distil.cache import Prepared

SCALE = 50.0
"""Inverse temperature of the softmaxes, as in the demo CLIP's own training."""
MIMICRY_WEIGHT = 8.0
AVERAGING = 0.99
WEIGHT_DECAY = 0.02
SHIFT = 4
"""Pixels that a batch is moved at most, so that no picture is learnt by heart."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to train.

    Args:
        steps: batches; the learning rate falls from `rate` along a half cosine to zero over them.
        stop_at: batch to end at, where the average of weights is nearly as good; None is the end.
        checkpoint_every: batches after which the state is written.
    """

    steps: int
    batch: int = 128
    rate: float = 2e-3
    seed: int = 1
    checkpoint_every: int = 50
    stop_at: int | None = None

    @property
    def last(self) -> int:
        """Batches that are trained."""
        return self.steps if self.stop_at is None else min(self.stop_at, self.steps)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands; `loss` is a running mean."""

    step: int
    steps: int
    loss: float
    seconds: float


def train(
    student: PictureTower,
    data: Prepared,
    plan: Plan,
    checkpoint: Path,
    on_progress: Callable[[Progress], None],
) -> tuple[PictureTower, float]:
    """Train; returns the averaged tower in inference mode, and the seconds spent, those before a resume included.

    The same data, plan and beginning give the same weights on the same machine, interrupted or not. A checkpoint
    of another plan or other data is not read, and is overwritten.
    """
    subjects = _subject_means(data)
    student.to(memory_format=torch.channels_last).train()
    average = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(AVERAGING), use_buffers=True)
    optimiser = torch.optim.AdamW(student.parameters(), weight_decay=WEIGHT_DECAY)
    key = f"{data.key} {plan.steps} {plan.batch} {plan.rate} {plan.seed}"
    first, spent, running = 0, 0.0, math.nan
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["key"] == key:
            student.load_state_dict(state["student"])
            average.load_state_dict(state["average"])
            optimiser.load_state_dict(state["optimiser"])
            first, spent, running = int(state["step"]), float(state["seconds"]), float(state["loss"])
    begun = time.monotonic() - spent
    for step in range(first, plan.last):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, plan)
        rows = batch_rows(len(data.pictures), step, plan)
        pictures = _shifted(torch.from_numpy(data.pictures[rows.numpy()]), step, plan.seed)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = student(pictures)
        captions = torch.from_numpy(data.caption_of[rows.numpy()])
        numbers = torch.from_numpy(data.subjects)[captions]
        loss = loss_of(vectors.float(), torch.from_numpy(data.teacher[rows.numpy()]), subjects, numbers)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(student)
        running = loss.item() if math.isnan(running) else 0.95 * running + 0.05 * loss.item()
        if (step + 1) % plan.checkpoint_every == 0 or step + 1 == plan.last:
            spent = time.monotonic() - begun
            state = {"key": key, "step": step + 1, "seconds": spent, "loss": running}
            state |= {"student": student.state_dict(), "average": average.state_dict()}
            _save(checkpoint, state | {"optimiser": optimiser.state_dict()})
            on_progress(Progress(step + 1, plan.last, running, spent))
    finished: PictureTower = average.module
    return finished.eval(), spent


def loss_of(vectors: Tensor, teacher: Tensor, subjects: Tensor, numbers: Tensor) -> Tensor:
    """The training's loss.

    Args:
        vectors, teacher: unit vectors [B, dim] of the same pictures.
        subjects: unit vectors [n, dim], every subject's mean caption. numbers: [B], each picture's subject.
    """
    angle = (1 - (vectors * teacher).sum(-1)).mean()
    same = (numbers[:, None] == numbers[None, :]) & ~torch.eye(len(numbers), dtype=torch.bool)
    logits = (SCALE * vectors @ teacher.T).masked_fill(same, -1e4)
    to_teacher = F.cross_entropy(logits, torch.arange(len(numbers)))
    to_subject = F.cross_entropy(SCALE * vectors @ subjects.T, numbers)
    return MIMICRY_WEIGHT * angle + to_teacher + to_subject


def rate_at(step: int, plan: Plan) -> float:
    """Warm-up over the first 3 %, then a half cosine to zero."""
    warm = max(1, plan.steps * 3 // 100)
    if step < warm:
        return plan.rate * (step + 1) / warm
    return plan.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (plan.steps - warm)))


def batch_rows(n: int, step: int, plan: Plan) -> Tensor:
    """The rows of batch `step`: every epoch is a new seeded order of all rows, less what fills no batch."""
    size = min(plan.batch, n)
    per_epoch = n // size
    epoch, place = divmod(step, per_epoch)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(plan.seed * 1_000_003 + epoch))
    return order[place * size : (place + 1) * size]


def _subject_means(data: Prepared) -> Tensor:
    captions, subjects = torch.from_numpy(data.captions), torch.from_numpy(data.subjects)
    sums = torch.zeros(int(subjects.max()) + 1, captions.shape[1]).index_add_(0, subjects, captions)
    return F.normalize(sums, dim=-1)


def _shifted(pictures: Tensor, step: int, seed: int) -> Tensor:
    """The batch moved by a few pixels, its edges repeated. UINT8 [B, S, S, 3], as it came."""
    dy, dx = torch.randint(0, 2 * SHIFT + 1, (2,), generator=torch.Generator().manual_seed(seed * 7919 + step))
    size = pictures.shape[1]
    padded = F.pad(pictures.permute(0, 3, 1, 2).float(), [SHIFT] * 4, mode="replicate")
    return padded[:, :, dy : dy + size, dx : dx + size].permute(0, 2, 3, 1).byte()


def _save(path: Path, state: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".partial")
    torch.save(state, staged)
    staged.replace(path)
