"""`trireme export`: its help, its names, and what it says where PyTorch is missing."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from cli.export import CHECKOUT, default_name


def trireme(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=CHECKOUT,
        env=os.environ | {"COLUMNS": "120"} | environment,
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("openai/clip-vit-base-patch32", "clip_vit_base_patch32"),
        ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "clip_vit_b_32_laion2b_s34b_b79k"),
        ("my.checkpoint", "my_checkpoint"),
    ],
)
def test_a_model_is_named_after_its_checkpoint(source: str, name: str) -> None:
    assert default_name(source) == name


@pytest.mark.parametrize(
    ("command", "taught"),
    [
        (("export",), ("clip", "text", "never run")),
        (("export", "clip"), ("open_clip", "--dim", "--pairs", "int8-dynamic", "trireme export clip")),
        (
            ("export", "text-api"),
            ("--make-space", "--tokenizer", "TRIREME_TEXT_API_KEY", "trireme export text-api"),
        ),
        (("export", "captioner"), ("BlipForConditionalGeneration", "token by token", "trireme export captioner")),
        (("export", "text"), ("--pooling", "--query-prefix", "trireme export text")),
    ],
)
def test_help_teaches_without_loading_pytorch(command: tuple[str, ...], taught: tuple[str, ...]) -> None:
    result = trireme(*command, "--help")
    assert result.returncode == 0, result.stderr
    for word in taught:
        assert word in " ".join(result.stdout.split())


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is in this environment")
def test_where_pytorch_is_missing_the_error_says_how_to_get_it() -> None:
    # As in the second of the two processes: it must not start a third.
    result = trireme("export", "text", "nowhere", TRIREME_EXPORT_REEXEC="1")
    assert result.returncode == 1
    assert "make export-environment" in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2


def test_a_wrong_option_is_told_before_anything_is_loaded() -> None:
    result = trireme("export", "text", "nowhere", "--pooling", "max")
    assert result.returncode == 1
    assert "neither mean nor cls" in result.stderr
