"""The description of a joint space, as it is written from the manifests of its models."""

import json
from pathlib import Path

from export.space import write_space


def test_the_text_encoders_prefixes_become_part_of_the_space(tmp_path: Path) -> None:
    for model in ("text_encoder", "clip_text", "clip_image"):
        (tmp_path / model).mkdir()
        manifest = {"sha256": "1", "query_prefix": "query: ", "passage_prefix": "passage: "}
        (tmp_path / model / "manifest.json").write_text(json.dumps(manifest))
    means = tmp_path / "means.json"
    means.write_text(
        json.dumps(
            {
                "text_dim": 2,
                "image_dim": 2,
                "centred": False,
                "means": {tower: [0.0, 0.0] for tower in ("text", "clip_text", "clip_image")},
            }
        )
    )
    space = write_space(tmp_path, means)
    assert (space.prefix("query"), space.prefix("passage")) == ("query: ", "passage: ")
