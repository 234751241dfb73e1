"""What is written on the command line about experiments, and how they are printed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.experiment_table import arms_table, bar, effects_table, headline, history_lines
from cli.experiment_words import guardrail, variant
from contracts.errors import InvalidInput
from contracts.experiments_view import EffectView
from gateway.core.experiment_view import experiment_view
from gateway.core.tally import new_tally
from gateway.routes.experiment_body import ExperimentBody
from tests.gateway.experimenting import draft, running

EFFECT = EffectView(
    variant="b", measure="clicks", estimate=0.1, low=-0.1, high=0.3, units=5, confidence=0.95, verdict="undecided"
)


def test_variants_are_read_as_the_api_has_them() -> None:
    texts = ("full:encoder=full", "small@2:encoder=distilled,reranker=spread", "plain", "w:weights=1/0.5/1/0.3")
    body = ExperimentBody.model_validate({"variants": [variant(text) for text in texts]})
    assert [one.weight for one in body.variants] == [1.0, 2.0, 1.0, 1.0]
    assert body.variants[1].changes.reranker == "spread"
    assert body.variants[3].changes.weights is not None
    assert body.variants[3].changes.weights.text_image == 0.5


@pytest.mark.parametrize("text", ["", ":encoder=full", "a:", "a@x", "a:encoder", "a:weights=1/2", "a:b=c,b=d"])
def test_what_is_no_variant_is_told(text: str) -> None:
    with pytest.raises(InvalidInput):
        variant(text)


def test_guardrails_have_a_margin_or_none() -> None:
    assert guardrail("errors=0.01") == {"measure": "errors", "margin": 0.01}
    assert guardrail("latency") == {"measure": "latency"}
    with pytest.raises(InvalidInput):
        guardrail("errors=much")


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_an_interval_is_drawn_where_it_lies(one: float, other: float) -> None:
    low, high = sorted((one, other))
    line = bar(replace(EFFECT, estimate=(low + high) / 2, low=low, high=high))
    assert len(line) == len(bar(EFFECT))
    assert line.count("●") == 1


def test_everything_there_is_to_say_is_printed() -> None:
    experiment = running()
    view = experiment_view([draft(), experiment], new_tally(experiment), complete=False)
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        for part in (headline(view), arms_table(view), effects_table(view), *history_lines(view)):
            console.print(part)
    printed = captured.get()
    for word in ("towers", "running", "still reading", "encoder=distilled", "success", "start by test"):
        assert word in printed
