"""`trireme distil` in the export environment: prepares pictures, trains a student, measures it, writes it down.

python -m export.distil FOLDER --out STUDENT            any folder of captioned pictures
python -m export.distil FOLDER --out STUDENT --admit    the same, and into the repository where the gate admits it
python -m export.distil --demo                          the demo CLIP's student, into the files that are checked in
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from contracts.errors import ConfigurationError, TriremeError
from contracts.tensors import CLIP_IMAGE, CLIP_IMAGE_DISTILLED
from encoding.manifests import load_space
from export.demo_clip import config
from export.demo_clip.build import compare_vectors
from export.demo_clip.captions import cached_vectors
from export.demo_clip.model import WIDTHS, PictureTower
from export.demo_clip.record import N_REFERENCE, picture_vectors
from export.demo_clip.train import save_weights
from export.distil import demo, record
from export.distil.cache import Prepared, prepare
from export.distil.card import Card, flops_of, sha256_of, told, write_card
from export.distil.folder import CARD_FILE, WEIGHTS_FILE, measure_student, write_graph
from export.distil.place import check_place, place_student
from export.distil.source import FolderSource, read_folder, split_held_out
from export.distil.towers import CaptionTower, PictureTeacher
from export.distil.train import Plan, Progress, train

DEMO_PICTURES = 32_768
DEMO_STOP_AT = 1650
CHECKPOINT = "checkpoint.pt"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; wrong use ends the process, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="trireme distil", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="pictures with captions.jsonl or NAME.txt files")
    parser.add_argument("--demo", action="store_true", help="distil the demo CLIP from its own rendered pictures")
    parser.add_argument("--out", type=Path, help="folder for the student of FOLDER")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), help="holds the teacher")
    parser.add_argument("--admit", action="store_true", help="put the student into the repository's space")
    parser.add_argument("--replace", action="store_true", help="with --admit: in the place of an earlier one")
    parser.add_argument("--teacher", default=CLIP_IMAGE, help="picture tower in the repository (clip_image)")
    parser.add_argument("--cache", type=Path, default=Path(".trireme/cache/distil"))
    parser.add_argument("--steps", type=int, default=2200, help="batches to train (2200)")
    parser.add_argument("--stop-at", type=int, help="batch to end at (with --demo 1650; the last one)")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpoint-every", type=int, default=50, help="batches between checkpoints")
    parser.add_argument("--pictures", type=int, default=DEMO_PICTURES, help="with --demo: how many to render")
    parser.add_argument("--widths", type=_numbers, default=WIDTHS, help="with FOLDER: channels of each stage")
    parser.add_argument(
        "--blocks", type=_numbers, default=demo.BLOCKS, help="with FOLDER: residual blocks of each"
    )
    parser.add_argument(
        "--stem-stride", type=int, default=demo.STEM_STRIDE, help="with FOLDER: of the first layer"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.demo == (options.folder is not None) or options.demo == (options.out is not None):
        parser.error("give either --demo, or a FOLDER and --out")
    if options.admit and (options.demo or options.teacher != CLIP_IMAGE):
        parser.error(f"--admit takes a FOLDER, and the space's own {CLIP_IMAGE} as the teacher")
    if options.demo and options.stop_at is None:
        options.stop_at = DEMO_STOP_AT
    if len(options.widths) != len(options.blocks):
        parser.error("--widths and --blocks must name the same number of stages")
    return options


def distil_folder(options: argparse.Namespace) -> Card:
    """A student for a folder of captioned pictures, measured on those kept from training; admitted if asked."""
    if options.admit:
        check_place(options.repository, replace=options.replace)
    teacher, captions = PictureTeacher(options.repository, options.teacher), CaptionTower(options.repository)
    kept, held_out = split_held_out(read_folder(options.folder))
    if len(kept) < 2 or not held_out:
        raise ConfigurationError(
            f"{len(kept) + len(held_out)} captioned pictures are too few to train and to measure with."
        )
    source = partial(FolderSource, rule=teacher.manifest)
    sha256 = teacher.manifest.sha256
    data = prepare(source(kept), teacher.embed, captions.embed, sha256, options.cache, _prepared)
    torch.manual_seed(options.seed)
    student = PictureTower(options.widths, options.blocks, options.stem_stride, teacher.manifest.dim)
    tower, training = _train(student, data, options)
    options.out.mkdir(parents=True, exist_ok=True)
    save_weights(tower, options.out / WEIGHTS_FILE)
    model = write_graph(options.out, f"{options.teacher}_distilled", teacher.manifest.image_size)
    held_out_pictures = source(held_out)
    card = Card(
        model=f"{options.teacher}, distilled on '{options.folder.name}'",
        trained=datetime.now(UTC).date().isoformat(),
        command="trireme distil FOLDER --out STUDENT",
        weights_sha256=sha256_of(options.out / WEIGHTS_FILE),
        teacher_sha256=sha256,
        flops=flops_of(model),
        teacher_flops=flops_of(teacher.path),
        training=training,
        figures=measure_student(model, teacher, captions, held_out_pictures, load_space(options.repository)),
    )
    write_card(options.out / CARD_FILE, card)
    if options.admit:
        seen = np.stack([held_out_pictures.picture(n)[0] for n in range(min(N_REFERENCE, len(held_out_pictures)))])
        parity = compare_vectors(onnx.load(model), seen, picture_vectors(tower, seen))
        place_student(options.repository, options.out, card, parity, replace=options.replace)
        print(f"admitted to the space of {options.repository.name} as {CLIP_IMAGE_DISTILLED}", flush=True)
    return card


def distil_demo(options: argparse.Namespace) -> Card:
    """The demo CLIP's student, its packs and its card, in place of those that are checked in."""
    teacher = PictureTeacher(options.repository, CLIP_IMAGE)
    captions = partial(cached_vectors, cache=config.CACHE)
    source = demo.DemoSource(options.pictures)
    data = prepare(source, teacher.embed, captions, teacher.manifest.sha256, options.cache, _prepared)
    tower, training = _train(demo.new_student(), data, options)
    save_weights(tower, config.DISTILLED_WEIGHTS)
    record.write_queries()
    record.write_reference()
    return record.record(training, load_space(options.repository))


def _train(
    student: PictureTower, data: Prepared, options: argparse.Namespace
) -> tuple[PictureTower, dict[str, Any]]:
    plan = Plan(
        options.steps, options.batch, options.rate, options.seed, options.checkpoint_every, options.stop_at
    )
    tower, seconds = train(student, data, plan, options.cache / data.key / CHECKPOINT, _trained)
    return tower, {
        "pictures": len(data.pictures),
        "planned_steps": plan.steps,
        "steps": plan.last,
        "batch": plan.batch,
        "rate": plan.rate,
        "seed": plan.seed,
        "minutes": round(seconds / 60, 1),
        "threads": options.threads,
        "parameters": sum(parameter.numel() for parameter in tower.parameters()),
    }


def _prepared(done: int, of: int) -> None:
    print(f"prepared {done}/{of} pictures", flush=True)


def _trained(progress: Progress) -> None:
    left_s = progress.seconds / progress.step * (progress.steps - progress.step)
    print(
        f"step {progress.step}/{progress.steps}  loss {progress.loss:.3f}  "
        f"{progress.seconds:.0f} s, about {left_s:.0f} s left",
        flush=True,
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def main(arguments: Sequence[str]) -> int:
    """Distil; an error of ours is one line and status 1."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    try:
        card = distil_demo(options) if options.demo else distil_folder(options)
    except TriremeError as error:
        print(f"trireme: {error.message}", file=sys.stderr)
        return 1
    print(told(card))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
