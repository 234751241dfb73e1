"""What may be asked, what a configuration may say, and where a text stops, without Triton and without a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.deploy.genai.modules import asking, setting, stops

TEXT = st.text(alphabet="abc", max_size=40)
STOPS = st.lists(st.text(alphabet="abc", min_size=1, max_size=4), max_size=3)


@given(TEXT, STOPS, st.integers(1, 7))
def test_however_a_text_is_cut_up_it_ends_before_its_first_stop_text(
    text: str, wanted: list[str], size: int
) -> None:
    finder = stops.StopFinder(tuple(wanted))
    sent = ""
    for start in range(0, len(text), size):
        sent += finder.feed(text[start : start + size])
        # Nothing that was sent is taken back.
        assert text.startswith(sent)
        if finder.found:
            break
    else:
        sent += finder.rest()
    assert not any(stop in sent for stop in wanted)
    assert finder.found == any(stop in text for stop in wanted)
    if not finder.found:
        assert sent == text
    else:
        assert any(text[len(sent) :].startswith(stop) for stop in wanted)


LONGEST = 50


def tensors(**given: object) -> dict[str, np.ndarray]:
    return {name: np.array(value if isinstance(value, list) else [value]) for name, value in given.items()}


def test_what_is_not_said_has_defaults_and_the_models_limit_holds() -> None:
    ask = asking.read_ask(tensors(prompt=b"Why?", max_tokens=10_000), longest=LONGEST)
    assert (ask.prompt, ask.max_tokens, ask.temperature, ask.top_p, ask.seed, ask.stop) == (
        "Why?",
        50,
        0.0,
        1.0,
        None,
        (),
    )


@pytest.mark.parametrize(
    "given_tensors",
    [
        {},
        {"prompt": b"x", "input_ids": 3},
        {"messages": b"{}"},
        {"messages": b"[]"},
        {"messages": b'[{"role": "user"}]'},
        {"messages": b"not json"},
        {"prompt": b"x", "max_tokens": 0},
        {"prompt": b"x", "temperature": 2.5},
        {"prompt": b"x", "temperature": float("nan")},
        {"prompt": b"x", "top_p": 0.0},
        {"prompt": b"x", "seed": -1},
        {"prompt": b"x", "stop": b""},
        {"prompt": b"x", "stop": [b"x"] * 9},
    ],
)
def test_what_cannot_be_is_refused(given_tensors: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        asking.read_ask(tensors(**given_tensors), longest=LONGEST)


def config(count: int = 1, **parameters: str) -> dict[str, object]:
    return {
        "instance_group": [{"count": count}],
        "parameters": {name: {"string_value": value} for name, value in parameters.items()},
    }


@pytest.mark.parametrize(("on_gpu", "wanted"), [(False, "turns"), (True, "engine")])
def test_a_gpu_batches_and_a_cpu_takes_turns_unless_it_is_said(on_gpu: bool, wanted: str) -> None:
    assert setting.read_settings(config(), on_gpu=on_gpu).batching == wanted
    assert setting.read_settings(config(batching="engine"), on_gpu=on_gpu).batching == "engine"
    assert setting.read_settings(config(slots="7"), on_gpu=on_gpu).slots == 7


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (config(count=2), "one instance"),
        (config(slot="4"), "slot"),
        (config(slots="0"), "slots"),
        (config(slots="four"), "slots"),
        (config(batching="both"), "batching"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        setting.read_settings(wrong, on_gpu=False)
