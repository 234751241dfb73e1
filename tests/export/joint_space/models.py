"""Small exported models without PyTorch: real graphs of a layer, with tokenizer, configurations and manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from export.model_config import write_configs
from export.shapes import TowerShapes

SEED = 20261123
TEXT_DIM, IMAGE_DIM = 32, 24
SIZE = 16
LIMIT = 32
_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def tokenizer() -> Tokenizer:
    """One token a letter or digit, begun and ended as BERT's."""
    vocabulary = {token: number for number, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *_CHARACTERS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def write_text_tower(repository: Path, name: str, dim: int, *, offset: float = 0.0, prefix: str = "") -> None:
    """Adds up a seeded vector for each token; `offset` is added to all of them, which makes a narrow cone."""
    table = np.random.default_rng(SEED + dim).standard_normal((len(tokenizer().get_vocab()), dim)) + offset
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["looked_up"]),
        helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["seen", "last"], ["mask"]),
        helper.make_node("Mul", ["looked_up", "mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "tokens"], ["features"], keepdims=0),
    ]
    constants = {"table": table.astype(np.float32), "last": np.int64([2]), "tokens": np.int64([1])}
    inputs = [
        helper.make_tensor_value_info(each, TensorProto.INT64, ["batch", "sequence"])
        for each in ("input_ids", "attention_mask")
    ]
    facts = {"max_length": LIMIT, "pad_token_id": 0, "tokenizer": "1/tokenizer.json", "passage_prefix": prefix}
    shapes = TowerShapes("text", LIMIT, dim)
    _write(repository / name, shapes, nodes, constants, inputs, facts)
    tokenizer().save(str(repository / name / "1" / "tokenizer.json"))


def write_image_tower(repository: Path, name: str, dim: int = IMAGE_DIM) -> None:
    """One seeded linear layer over the pixels."""
    weights = np.random.default_rng(SEED).standard_normal((SIZE * SIZE * 3, dim)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["row"], axis=1),
        helper.make_node("MatMul", ["row", "weights"], ["features"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])]
    facts = {"image_size": SIZE, "resize": "stretch"}
    _write(repository / name, TowerShapes("image", SIZE, dim), nodes, {"weights": weights}, inputs, facts)


def write_models(repository: Path, *, offset: float = 0.0) -> Path:
    """`words`, `pics_text` and `pics_image`."""
    write_text_tower(repository, "words", TEXT_DIM, offset=offset)
    write_text_tower(repository, "pics_text", IMAGE_DIM)
    write_image_tower(repository, "pics_image")
    return repository


def write_pictures(folder: Path, count: int) -> Path:
    """Seeded noise, each with a caption of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    for number in range(count):
        pixels = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"picture no {number} of {count}")
    return folder


def _write(
    folder: Path,
    shapes: TowerShapes,
    nodes: Sequence[Any],
    constants: dict[str, NDArray[Any]],
    inputs: Sequence[Any],
    facts: dict[str, Any],
) -> None:
    (folder / "1").mkdir(parents=True)
    unit = [
        helper.make_node("ReduceL2", ["features", "axis"], ["length"], keepdims=1),
        helper.make_node("Div", ["features", "length"], ["embedding"]),
    ]
    graph = helper.make_graph(
        [*nodes, *unit],
        folder.name,
        inputs,
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", shapes.dim])],
        [numpy_helper.from_array(value, key) for key, value in ({"axis": np.int64([1])} | constants).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, folder / "1" / "model.onnx")
    write_configs(folder, shapes, fp16=False)
    sha256 = hashlib.sha256((folder / "1" / "model.onnx").read_bytes()).hexdigest()
    manifest = {"model": folder.name, "sha256": sha256, "dim": shapes.dim, "space_id": None, **facts}
    manifest["build_a_plan"] = {"trtexec": f"trtexec --timingCacheFile=/var/cache/{folder.name}.timing"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
