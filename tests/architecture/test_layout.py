"""Promises about the tree that no other check keeps."""

import subprocess
from pathlib import Path

import pytest

from contracts.metrics import ALL, EMBEDDING_WORKER_ERRORS, FAISS_INDEX_CPU, SEARCH_LATENCY_MS
from contracts.topics import fixed_topics

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST_FILE_LINES = 300
VAGUE_NAMES = {"utils.py", "common.py", "helpers.py", "manager.py", "misc.py"}


def tracked(pattern: str) -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", pattern], cwd=CHECKOUT, capture_output=True, check=True, timeout=30
        )
    except (OSError, subprocess.CalledProcessError):
        return sorted(p for p in CHECKOUT.glob(f"*/**/{pattern}") if not p.parts[-2].startswith("."))
    return [CHECKOUT / name for name in listed.stdout.decode().split("\0") if name]


@pytest.mark.parametrize(
    "name",
    [
        "model_repository",
        "export",
        "gateway",
        "index_service",
        "benchmarks",
        "pyproject.toml",
        "docker-compose.yml",
    ],
)
def test_names_that_others_rely_on_stand_at_the_top(name: str) -> None:
    assert (CHECKOUT / name).exists()


def test_no_file_of_the_product_grows_beyond_one_idea() -> None:
    sources = [path for path in tracked("*.py") if "tests" not in path.relative_to(CHECKOUT).parts]
    assert len(sources) > 100
    lengths = {str(p.relative_to(CHECKOUT)): len(p.read_text().splitlines()) for p in sources if p.exists()}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE_LINES} == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in tracked("*.py") if path.name in VAGUE_NAMES] == []


def test_the_architecture_page_can_be_read_in_one_sitting() -> None:
    assert len((CHECKOUT / "docs" / "ARCHITECTURE.md").read_text().splitlines()) <= 150


def test_the_readme_names_both_commands_on_its_first_screen() -> None:
    first_screen = (CHECKOUT / "README.md").read_text().splitlines()[:25]
    assert any(line.startswith("make demo") for line in first_screen)
    assert any(line.startswith("make test") for line in first_screen)


def test_the_metrics_promised_to_users_have_their_names_and_edges() -> None:
    assert SEARCH_LATENCY_MS.name == "search_latency_ms"
    assert {150, 200} <= set(SEARCH_LATENCY_MS.buckets)
    assert SEARCH_LATENCY_MS.labels == ("served_by",)
    assert EMBEDDING_WORKER_ERRORS.name == "embedding_worker_errors"
    assert FAISS_INDEX_CPU.name == "faiss_index_cpu"
    assert len({spec.name for spec in ALL}) == len(ALL)


def test_only_the_topics_of_searches_may_lose_their_offsets() -> None:
    assert {spec.name for spec in fixed_topics() if spec.from_end} == {"search_req", "search_res"}
