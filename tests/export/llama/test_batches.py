"""The backend's two ways of writing answers, on the library itself, in the export environment, where it is."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.export.llama import tiny

pytestmark = pytest.mark.export_env

BACKEND = Path(__file__).parents[3] / "deploy" / "triton" / "backends" / "genai"
PROMPTS = tuple(list(range(5 + n, 69 + n)) for n in range(6))
BLOCK_SIZE = 16
LENGTH = 60
# More rounds than any of these needs.
MANY = 5000


@pytest.fixture(scope="module")
def backend() -> Iterator[None]:
    """The server finds the backend's modules in a folder; so do these tests."""
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    sys.path.insert(0, str(BACKEND))
    yield
    sys.path.remove(str(BACKEND))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="run with the export environment's Python")
    return tiny.write_checkpoint(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="module")
def dense(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from export.llama.build import write_version
    from export.llama.checkpoint import read_checkpoint

    folder = tmp_path_factory.mktemp("dense")
    write_version(folder, read_checkpoint(checkpoint), "fp32", "cpu")
    return folder


@pytest.fixture(scope="module")
def paged(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a cache for 12 blocks: one of these answers takes 8, so that two do not come to their end together."""
    return tiny.write_paged(tmp_path_factory.mktemp("paged") / "1", checkpoint, blocks=12, block_size=BLOCK_SIZE)


def asked(prompt: list[int], **wanted: Any) -> Any:
    import numpy as np
    from ask import read_ask

    tensors = {"input_ids": np.array(prompt)} | {name: np.array([value]) for name, value in wanted.items()}
    return read_ask(tensors, longest=LENGTH)


def writer(folder: Path, **changed: Any) -> Any:
    from settings import Settings
    from writer import open_writer

    opened = open_writer(folder, Settings(**changed), gpu=None)
    opened.open()
    return opened


@dataclass
class Read:
    """What came of an answer, and in which rounds."""

    answer: Any
    tokens: list[int] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    reason: str = ""


def write(opened: Any, *asks: Any, late: Any = None, late_at: int = 0, leave_at: int | None = None) -> list[Read]:
    """Let answers be written to their end; `late` joins after some rounds, the first leaves before its end."""
    reads = [Read(opened.start(each)) for each in asks]
    for number in range(MANY):
        if late is not None and number == late_at:
            reads.append(Read(opened.start(late)))
        if leave_at == number:
            reads[0].answer.close()
            reads[0].reason = "left"
        opened.advance()
        for each in reads:
            if each.reason:
                continue
            progress = each.answer.turn()
            each.tokens += progress.token_ids
            each.rounds += [number] * len(progress.token_ids)
            each.reason = progress.finish_reason
            if each.reason:
                each.answer.close()
        if all(each.reason for each in reads) and (late is None or number >= late_at):
            return reads
    raise AssertionError("the answers do not come to their end")


@pytest.mark.usefixtures("backend")
def test_turns_and_both_kinds_of_batches_write_the_same_greedy_answers(dense: Path, paged: Path) -> None:
    asks = [asked(prompt, max_tokens=20) for prompt in PROMPTS[:3]]
    turns = [each.tokens for each in write(writer(dense, batching="turns"), *asks)]
    assert [len(each) for each in turns] == [20, 20, 20]
    assert [each.tokens for each in write(writer(dense, batching="engine"), *asks)] == turns
    assert [each.tokens for each in write(writer(paged, batching="engine"), *asks)] == turns


@pytest.mark.usefixtures("backend")
def test_a_late_answer_joins_a_continuous_batch_and_waits_for_a_static_one(dense: Path, paged: Path) -> None:
    long, short = asked(PROMPTS[0], max_tokens=40), asked(PROMPTS[1][:8], max_tokens=4)
    continuous = write(writer(paged, batching="engine"), long, late=short, late_at=20)
    static = write(writer(dense, batching="engine"), long, late=short, late_at=20)
    assert max(continuous[1].rounds) < max(continuous[0].rounds)
    assert min(static[1].rounds) > max(static[0].rounds)
    assert continuous[1].tokens == static[1].tokens


@pytest.mark.usefixtures("backend")
def test_an_answer_that_is_left_makes_room_in_a_continuous_batch_at_once(paged: Path) -> None:
    opened = writer(paged, batching="engine", slots=1)
    endless, waiting = asked(PROMPTS[0], max_tokens=60), asked(PROMPTS[1], max_tokens=3)
    left, next_one = write(opened, endless, late=waiting, late_at=12, leave_at=12)
    assert 0 < len(left.tokens) < 60
    # Its prompt of 64 tokens is read at once, and then it writes.
    assert next_one.rounds == [12, 13, 14]


@pytest.mark.usefixtures("backend")
def test_answers_that_outgrow_the_cache_together_give_way_and_all_come_to_their_end(paged: Path) -> None:
    opened = writer(paged, batching="engine", slots=6, prefill_tokens=16)
    asks = [asked(prompt, max_tokens=LENGTH) for prompt in PROMPTS]
    together = write(opened, *asks)
    assert [each.tokens for each in together] == [write(opened, each)[0].tokens for each in asks]
    # The first to come never had to wait.
    assert together[0].rounds[-1] == min(each.rounds[-1] for each in together)


@pytest.mark.usefixtures("backend")
def test_an_answer_that_left_while_it_had_to_wait_for_room_is_forgotten(paged: Path) -> None:
    opened = writer(paged, batching="engine", slots=2)
    first, second = (opened.start(asked(prompt, max_tokens=LENGTH)) for prompt in PROMPTS[:2])
    written = 0
    for _ in range(MANY):
        opened.advance()
        second.turn()
        progress = first.turn()
        written += len(progress.token_ids)
        if written == 50:
            # Two answers of 64 + 50 tokens need 16 blocks: the second is out of the batch by now.
            second.close()
        if progress.finish_reason:
            break
    first.close()
    assert written == LENGTH
    assert len(write(opened, asked(PROMPTS[2], max_tokens=5))[0].tokens) == 5


@pytest.mark.usefixtures("backend")
def test_a_prompt_longer_than_the_whole_cache_is_refused(paged: Path) -> None:
    opened = writer(paged, batching="engine")
    with pytest.raises(ValueError, match="the context holds 193"):
        opened.start(asked([5] * 200, max_tokens=5))


@pytest.mark.usefixtures("backend")
def test_a_seed_repeats_an_answer_in_a_continuous_batch_and_is_refused_in_a_static_one(
    dense: Path, paged: Path
) -> None:
    sampled = {"max_tokens": 16, "temperature": 1.5}
    opened = writer(paged, batching="engine")
    alone = write(opened, asked(PROMPTS[0], seed=7, **sampled))[0].tokens
    again, other = write(opened, asked(PROMPTS[0], seed=7, **sampled), asked(PROMPTS[1][:9], seed=8, **sampled))
    assert again.tokens == alone
    assert write(opened, asked(PROMPTS[0], seed=8, **sampled))[0].tokens != alone
    assert len(other.tokens) == 16
    static = writer(dense, batching="engine")
    with pytest.raises(ValueError, match="seed"):
        static.start(asked(PROMPTS[0], seed=7, **sampled))
    assert len(write(static, asked(PROMPTS[0], **sampled))[0].tokens) == 16


@pytest.mark.usefixtures("backend")
def test_a_model_for_continuous_batching_is_not_written_by_turns(paged: Path) -> None:
    with pytest.raises(ValueError, match="engine"):
        writer(paged, batching="turns")


@pytest.mark.usefixtures("backend")
def test_a_folder_without_a_model_and_a_gpu_that_is_not_there_are_told(dense: Path, tmp_path: Path) -> None:
    import onnxruntime_genai as genai
    from settings import Settings
    from writer import open_writer

    with pytest.raises(ValueError, match="trireme export llama"):
        open_writer(tmp_path, Settings("turns"), gpu=None)
    if not genai.is_cuda_available():
        with pytest.raises(ValueError, match="onnxruntime-genai-cuda"):
            open_writer(dense, Settings("engine"), gpu=0)


@pytest.mark.parametrize("batching", ["turns", "engine"])
@pytest.mark.usefixtures("backend")
def test_an_answer_ends_at_an_end_token_but_not_before_the_least_tokens_asked_for(
    dense: Path, tmp_path: Path, batching: str
) -> None:
    (free,) = write(writer(dense, batching=batching), asked(PROMPTS[0], max_tokens=20))
    folder = Path(shutil.copytree(dense, tmp_path / "1"))
    described = json.loads((folder / "genai_config.json").read_text())
    # The third token of the answer ends answers from now on.
    described["model"]["eos_token_id"] = [free.tokens[2]]
    (folder / "genai_config.json").write_text(json.dumps(described))
    opened = writer(folder, batching=batching)
    (short,) = write(opened, asked(PROMPTS[0], max_tokens=20))
    # Turns count the end token, the library's batches do not hand it out.
    assert (short.tokens[:2], short.reason, len(short.tokens) <= 3) == (free.tokens[:2], "stop", True)
    (longer,) = write(opened, asked(PROMPTS[0], max_tokens=20, min_tokens=10))
    assert free.tokens[2] not in longer.tokens[:10]
    assert len(longer.tokens) >= 10
