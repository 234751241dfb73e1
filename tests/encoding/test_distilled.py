"""Which distilled picture tower an encoder uses: one that this space admitted, for the same pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from contracts.space import Space
from contracts.trace import TraceContext
from encoding.encoder import Encoder

SPACE = Space(
    encoders=dict.fromkeys(("text", "clip_text", "clip_image"), "x@1"),
    text_dim=4,
    image_dim=4,
    centred=False,
    means=dict.fromkeys(("text", "clip_text", "clip_image"), [0.0] * 4),
)
IMAGE = {"sha256": "1", "dim": 4, "image_size": 8, "resize": "pad_square"}


class NamingModel:
    """Remembers which models were run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def largest_batch(self, model: str, *, timeout_s: float) -> int:
        return 8

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        self.ran.append(model)
        return {"embedding": np.ones((len(inputs["image"]), 4), np.float32)}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for model in ("text_encoder", "clip_text", "clip_image"):
        (tmp_path / model / "1").mkdir(parents=True)
        text = {"max_length": 32, "pad_token_id": 0, "tokenizer": "1/tokenizer.json"}
        (tmp_path / model / "manifest.json").write_text(json.dumps({"model": model, **IMAGE, **text}))
        Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]")).save(
            str(tmp_path / model / "1" / "tokenizer.json")
        )
    (tmp_path / "space.json").write_text(json.dumps({k: getattr(SPACE, k) for k in SPACE.__struct_fields__}))
    return tmp_path


def add_student(repository: Path, **changes: object) -> None:
    folder = repository / "clip_image_distilled"
    folder.mkdir()
    manifest = {"model": folder.name, **IMAGE, "sha256": "2", "admitted": {"space_id": SPACE.space_id}, **changes}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_without_a_student_there_is_only_the_full_tower(repository: Path) -> None:
    assert not Encoder(NamingModel(), repository).has_distilled


async def test_an_admitted_student_embeds_where_it_is_asked_for(repository: Path) -> None:
    add_student(repository)
    model = NamingModel()
    encoder = Encoder(model, repository)
    assert encoder.has_distilled
    picture = np.zeros((8, 8, 3), np.uint8)
    await encoder.embed_pictures([picture], priority=1, timeout_s=1.0, distilled=True)
    await encoder.embed_pictures([picture], priority=1, timeout_s=1.0)
    assert model.ran == ["clip_image_distilled", "clip_image"]


@pytest.mark.parametrize(
    "changes",
    [{"admitted": {"space_id": "0" * 16}}, {"admitted": None}, {"image_size": 16}, {"resize": "stretch"}],
    ids=["another space", "never admitted", "another size", "another way to fit pictures"],
)
def test_a_student_that_does_not_belong_here_is_left_alone(repository: Path, changes: dict[str, object]) -> None:
    add_student(repository, **changes)
    assert not Encoder(NamingModel(), repository).has_distilled
