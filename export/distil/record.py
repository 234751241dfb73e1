"""After the demo CLIP's distillation: draws the pack of query pictures, measures the student and writes its card.

`python -m export.distil --demo` ends with it.
"""

import json
import random
from datetime import UTC, datetime
from functools import partial
from typing import Any

from safetensors.numpy import save_file

from contracts.space import Space
from contracts.tensors import CLIP_IMAGE_DISTILLED
from export.demo_clip import config
from export.demo_clip.graph import build_graph, read_weights
from export.demo_clip.heldout import embed_pictures, read_heldout
from export.demo_clip.pictures import render
from export.demo_clip.record import N_REFERENCE, picture_vectors, write_sheet
from export.demo_clip.subjects import single_subjects
from export.distil.card import Card, sha256_of, write_card
from export.distil.demo import load_student
from export.distil.flops import count_flops
from export.distil.heldout import demo_held_out
from export.distil.measure import compare

EVERY = 3
"""Every third glyph is asked for; figures and scenes all are."""
COMMAND = "trireme distil --demo"


def write_queries() -> None:
    """One fresh picture each of some held-out subjects, in one WebP sheet."""
    heldout = read_heldout()
    subjects = {subject.names[0]: subject for subject in single_subjects()}
    chosen = [
        number
        for number, (name, group) in enumerate(zip(heldout.names, heldout.groups, strict=True))
        if (group != "glyphs" or number % EVERY == 0) and name in subjects
    ]
    tiles = [
        render(
            subjects[heldout.names[number]],
            random.Random(f"queries:{config.QUERY_SEED}:{heldout.names[number]}"),
            config.IMAGE_SIZE,
        )
        for number in chosen
    ]
    write_sheet(tiles, config.QUERY_PICTURES)
    config.QUERY_NAMES.write_text(json.dumps({"subject_of": chosen}) + "\n", encoding="utf-8")


def write_reference() -> None:
    """PyTorch's vectors of the first held-out pictures, for comparing where there is no PyTorch."""
    vectors = picture_vectors(load_student(), read_heldout().pictures[:N_REFERENCE])
    save_file({"reference": vectors}, config.DISTILLED_VECTORS)


def record(training: dict[str, Any], space: Space) -> Card:
    """Measure the checked-in student through its exported graph, write its card, and return that."""
    teacher = build_graph(read_weights())
    student = build_graph(read_weights(config.DISTILLED_WEIGHTS), CLIP_IMAGE_DISTILLED)

    card = Card(
        model="trireme demo CLIP, distilled picture tower",
        trained=datetime.now(UTC).date().isoformat(),
        command=COMMAND,
        weights_sha256=sha256_of(config.DISTILLED_WEIGHTS),
        teacher_sha256=sha256_of(config.WEIGHTS),
        flops=count_flops(student),
        teacher_flops=count_flops(teacher),
        training=training,
        figures=compare(
            demo_held_out(),
            partial(embed_pictures, teacher.SerializeToString()),
            partial(embed_pictures, student.SerializeToString()),
            space,
        ),
    )
    write_card(config.DISTILLED_CARD, card)
    return card
