"""Which files of a repository are fetched, by the names that real ones have."""

from __future__ import annotations

from export.checkpoint_files import wanted_files

CLIP = ["README.md", "config.json", "merges.txt", "preprocessor_config.json", "tokenizer.json", "vocab.json"]
OTHERS = [".gitattributes", "flax_model.msgpack", "tf_model.h5", "modeling_clip.py", "onnx/model.onnx", "logo.png"]


def test_safetensors_come_without_the_other_formats_and_without_code() -> None:
    names = [*CLIP, *OTHERS, "model.safetensors", "pytorch_model.bin"]
    assert wanted_files(names) == sorted([*CLIP, "model.safetensors"])


def test_older_weights_come_only_where_there_are_no_safetensors() -> None:
    assert "pytorch_model.bin" in wanted_files([*CLIP, *OTHERS, "pytorch_model.bin", "training_args.bin"])
    assert "training_args.bin" not in wanted_files([*CLIP, *OTHERS, "pytorch_model.bin", "training_args.bin"])


def test_all_parts_of_weights_in_parts_come() -> None:
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    older = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    names = [*CLIP, *parts, "model.safetensors.index.json", *older, "pytorch_model.bin.index.json"]
    found = wanted_files(names)
    assert set(parts) <= set(found)
    assert not set(older) & set(found)


def test_a_repository_in_two_formats_gives_transformers_own_once() -> None:
    both = ["open_clip_config.json", "open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
    found = wanted_files([*CLIP, *both, "model.safetensors", "pytorch_model.bin"])
    assert [name for name in found if name.endswith((".safetensors", ".bin"))] == ["model.safetensors"]


def test_open_clips_own_format_gives_its_safetensors() -> None:
    names = [
        "open_clip_config.json",
        "open_clip_model.safetensors",
        "open_clip_pytorch_model.bin",
        "tokenizer.json",
    ]
    assert "open_clip_model.safetensors" in wanted_files(names)
    assert "open_clip_pytorch_model.bin" not in wanted_files(names)


def test_a_sentence_encoders_pooling_comes_and_other_folders_do_not() -> None:
    modules = [
        "modules.json",
        "1_Pooling/config.json",
        "config_sentence_transformers.json",
        "sentencepiece.bpe.model",
    ]
    folders = ["onnx/config.json", "openvino/openvino_model.bin", "2_Dense/model.safetensors"]
    found = wanted_files(["config.json", "model.safetensors", *modules, *folders])
    assert found == sorted(["config.json", "model.safetensors", *modules])


def test_a_repository_without_weights_gives_nothing() -> None:
    assert wanted_files([*CLIP, "tf_model.h5"]) == []
