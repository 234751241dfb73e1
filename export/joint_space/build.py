"""Makes a joint space of a text encoder and a CLIP that were exported: a repository that the stack serves."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.space import TOWERS, Space, Tower
from export.joint_space.beside import manifest_under
from export.joint_space.measure import Centring, Sample, judge
from export.joint_space.new_repository import copy_model, new_repository, refuse_used_folder
from export.joint_space.towers import Towers, measure, open_towers
from export.publish import write_manifest
from export.request import Progress, quiet
from export.sample_inputs import SAMPLES
from export.space import MODEL_OF_TOWER, describe_space

CARD = "space_card.json"


@dataclass(frozen=True, slots=True)
class SpaceRequest:
    """What a person asks for.

    Args:
        text: model of the text half. clip: its `_image` and `_text` are the picture half.
        into: folder of the new repository.
        samples: pictures and texts to take means of, `pairs`: pictures with captions to judge centring by.
        centred: whether to centre; None decides by what is measured.
    """

    repository: Path
    text: str
    clip: str
    into: Path
    samples: Path = SAMPLES
    pairs: Path | None = None
    centred: bool | None = None


@dataclass(frozen=True, slots=True)
class SpaceReport:
    """What was made. `inputs` counts what each tower's mean was taken of."""

    space_id: str
    text_dim: int
    image_dim: int
    encoders: Mapping[Tower, str]
    inputs: Mapping[Tower, int]
    centring: Centring


def make_space(request: SpaceRequest, progress: Progress = quiet) -> SpaceReport:
    """Measure the towers, decide on centring, and write the repository; nothing appears before all of it is there.

    Raises:
        Conflict: `into` is in use. NotFound: a model is not exported. InvalidInput: too few samples.
        SpaceMismatch: CLIP's towers differ in width. DependencyFailed: the disk is full.
    """
    refuse_used_folder(request.into)
    towers = open_towers(request.repository, request.text, request.clip)
    samples, pairs = measure(towers, request.samples, request.pairs, progress)
    centring = judge(samples, pairs, request.centred)
    exported: dict[Tower, str] = {
        "text": request.text,
        "clip_text": f"{request.clip}_text",
        "clip_image": f"{request.clip}_image",
    }
    progress(f"Writing {request.into.name}")
    with new_repository(request.into) as staged:
        for tower, name in exported.items():
            copy_model(request.repository / name, staged / MODEL_OF_TOWER[tower])
            manifest = manifest_under(request.repository / name, MODEL_OF_TOWER[tower])
            write_manifest(staged / MODEL_OF_TOWER[tower], manifest)
        space = _describe(staged, towers, samples, centring)
        for tower in TOWERS:
            _admit(staged / MODEL_OF_TOWER[tower], tower, space, len(samples[tower]))
        report = SpaceReport(
            space.space_id,
            space.text_dim,
            space.image_dim,
            exported,
            {tower: len(samples[tower]) for tower in TOWERS},
            centring,
        )
        card = json.dumps(dataclasses.asdict(report), indent=2) + "\n"
        (staged / CARD).write_text(card, encoding="utf-8")
    return report


def _describe(staged: Path, towers: Towers, samples: Mapping[Tower, Sample], centring: Centring) -> Space:
    measured = {
        "text_dim": towers.text_dim,
        "image_dim": towers.image_dim,
        "centred": centring.centred,
        "means": {tower: [round(float(value), 6) for value in samples[tower].mean] for tower in TOWERS},
    }
    return describe_space(staged, measured)


def _admit(folder: Path, tower: Tower, space: Space, inputs: int) -> None:
    """Name the space in the manifest of one of its towers, and the mean that it was described with."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    own = {"space_id": space.space_id, "mean_vector": space.means[tower], "mean_of_inputs": inputs}
    write_manifest(folder, manifest | own)
