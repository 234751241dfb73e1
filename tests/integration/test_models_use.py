"""`trireme models use`, both halves at once: while people search and upload, and the way back.

`test_space_of_exports` has the short form: one half, on a stack that runs already.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from client.client import TriremeClient
from contracts.api import SearchResponse
from contracts.joint import Weights
from contracts.search import Filter
from stack.setup_paths import SetupPaths
from tests.constant_searches import PATIENT, ConstantSearches
from tests.integration.test_documents import add
from tests.integration.test_space_of_exports import EXPORT_PYTHON, png, run
from tests.running_stack import RunningStack, running, until

pytestmark = pytest.mark.soak

COLLECTION = "letters"
ONLY = Filter(collections=(COLLECTION,))
COMMAND_TIMEOUT_S = 300.0
SENTENCES = {
    "cat": "the cat sits",
    "rain": "rain in the old town",
    "letter": "a letter",
    "bells": "bronze bells",
    "winter": "every winter",
}


def trireme(stack: RunningStack, *arguments: str, rc: int = 0) -> Any:
    """JSON of a command; of one that fails, what it said."""
    result = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--home", str(stack.home.root), "--json"],
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert result.returncode == rc, result.stderr
    return json.loads(result.stdout) if rc == 0 else result.stderr


def own_repository(folder: Path) -> Path:
    """The checkout's model repository again: what is put into it stays out of the checkout."""

    def share(source: str, target: str) -> str:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
        return target

    skipped = shutil.ignore_patterns(".export-*", "space.*.json")
    return Path(shutil.copytree(SetupPaths().repository, folder, copy_function=share, ignore=skipped))


def ask(client: TriremeClient, number: int) -> tuple[SearchResponse, str]:
    """A sentence that a document consists of: the same words are the same vector in any space."""
    name = list(SENTENCES)[number % len(SENTENCES)]
    # Weights that hardly change: an answer from the cache would prove nothing.
    weights = Weights(text_text=1.0 + number * 1e-6)
    return client.search(SENTENCES[name], weights=weights, filter=ONLY), f"{name}.txt"


def serving(stack: RunningStack) -> str:
    found, _ = ask(stack.client, time.monotonic_ns() % 1_000_000)
    return found.generation


def first(stack: RunningStack, *, words: str | None = None, image: bytes | None = None) -> str:
    return stack.client.search(words, image=image, filter=ONLY).hits[0].source


def test_other_encoders_take_over_and_give_back_without_one_search_failing(tmp_path: Path) -> None:
    if not EXPORT_PYTHON.is_file():
        pytest.skip("the export environment is not set up: run `make export-environment`")
    run(str(EXPORT_PYTHON), "-m", "tests.export.tiny_checkpoints", str(tmp_path))
    models = own_repository(tmp_path / "models")
    use = ("models", "use", str(tmp_path / "bert"), "--clip", str(tmp_path / "clip"))
    use = (*use, "--repository", str(models), "--workplace", str(tmp_path / "work"), "--queries", "20")
    generations = ("index", "generations")
    with running("use", "--models", str(models), *PATIENT) as stack:
        for name, sentence in SENTENCES.items():
            add(stack, COLLECTION, f"{name}.txt", sentence.encode())
        add(stack, COLLECTION, "stripes.png", png(1))
        imported = add(stack, COLLECTION, "lost.txt", b"its file will be gone")
        view = stack.client.document(imported)
        old = stack.state()

        with ConstantSearches(stack.url, ask).going_on() as searching:
            until(lambda: searching.n_searches > 5, "searches run")
            # A checkpoint that cannot be exported changes nothing.
            (tmp_path / "broken").mkdir()
            said = trireme(stack, "models", "use", str(tmp_path / "broken"), *use[5:], "--yes", rc=1)
            assert "nothing was changed" in said
            assert not list(models.glob("space.*.json"))
            next((stack.home.objects / "objects").rglob("lost.txt")).unlink()

            used: dict[str, Any] = {}
            worker = threading.Thread(target=lambda: used.update(trireme(stack, *use)))
            worker.start()
            # Uploaded while the new index is made, by people who know nothing of it.
            until(
                lambda: bool(list(models.glob("space.*.json"))) or not worker.is_alive(), "the space is there", 200
            )
            during = add(stack, COLLECTION, "during.txt", b"a new letter in the rain")
            worker.join(COMMAND_TIMEOUT_S)
            assert used["switched"] is False
            new = used["generation"]["name"]
            assert new.startswith(used["space_id"][:12])
            assert list(used["refused"]) == [imported]
            comparison = used["compared"]["comparison"]
            assert used["compared"]["recorded_queries"] > 0
            assert (comparison["by"], comparison["unanswered"]) == ("document", 0)
            # So few vectors are scanned exactly.
            assert (comparison["old"]["recall"], comparison["new"]["recall"]) == (1.0, 1.0)
            assert serving(stack) == old.generation
            assert stack.client.document(imported) == view

            # The same command again finds all of it done, and changes over.
            again = trireme(stack, *use, "--yes")
            assert (again["generation"]["name"], again["switched"]) == (new, True)
            until(lambda: serving(stack) == new, "searches go to the new space", 30)
            assert stack.client.document(during).state == "indexed"
            assert first(stack, words="a new letter in the rain") == "during.txt"
            assert first(stack, image=png(1)) == "stripes.png"
            add(stack, COLLECTION, "after.txt", b"winter in the town")
            assert first(stack, words="winter in the town") == "after.txt"

            trireme(stack, *generations, "rollback", "--models", str(models))
            until(lambda: serving(stack) == old.generation, "searches go back", 30)
            until(
                lambda: first(stack, words="winter in the town") == "after.txt", "what came after is here too", 30
            )
            trireme(stack, *generations, "switch", new, "--models", str(models))
            until(lambda: serving(stack) == new, "searches go to the new space again", 30)
            at_the_end = searching.n_searches
            until(lambda: searching.n_searches > at_the_end + 10, "searches go on")
        print(searching.report)  # noqa: T201 - how many answers were partial is for people to see
        assert searching.failures == []
        assert searching.served_by == [old.generation, new, old.generation, new]

        # A Triton that dies comes back with the models of both spaces.
        stack.kill("triton")
        until(
            lambda: stack.is_well() and first(stack, words="every winter") == "winter.txt", "it searches again", 90
        )
        # And so does the whole stack.
        stack.stop()
        stack.start()
        assert stack.state().generation == new
        assert first(stack, words="a letter") == "letter.txt"
