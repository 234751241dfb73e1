"""`trireme ask` against a gateway that is a function: what it sends in a conversation, and what it prints."""

import json
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest
import typer
from typer.testing import CliRunner

from cli import ask
from client.client import TriremeClient
from contracts.api import AnswerResponse, Citation, Coverage

ANSWER = AnswerResponse(
    answer="Four. [1]",
    citations=[Citation(n=1, doc_id="d", item_id="t0", source="violin.txt", quote="four strings")],
    documents=[],
    generator="llama",
    found=True,
    degraded=False,
    failed_stage=None,
    citations_dropped=0,
    coverage=Coverage(3, 3),
    variant="full",
    trace_id="0" * 32,
    timings_ms={"total": 12.0},
)


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the gateway was sent; it searches for each question with "whole" behind it."""
    received: list[dict[str, Any]] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        received.append(body)
        searched_for = body["query"] + (" whole" if "conversation" in body else "")
        done = msgspec.json.encode(replace(ANSWER, searched_for=searched_for)).decode()
        if "stream" not in body:
            return httpx.Response(200, text=done)
        return httpx.Response(
            200, text=f'event: delta\ndata: {{"text": "Four."}}\n\nevent: done\ndata: {done}\n\n'
        )

    def opened(*_: object, **__: object) -> TriremeClient:
        return TriremeClient("http://127.0.0.1:1", transport=httpx.MockTransport(gateway))

    monkeypatch.setattr(ask, "open_client", opened)
    return received


def run(*arguments: str, typed: str = "") -> str:
    app = typer.Typer()
    app.command()(ask.run)
    result = CliRunner().invoke(app, arguments, input=typed)
    assert result.exit_code == 0, result.output
    return result.output


def test_one_question_has_no_conversation(bodies: list[dict[str, Any]]) -> None:
    printed = run("How many strings?")
    assert ["conversation" in body for body in bodies] == [False]
    assert "Four." in printed
    assert "violin.txt" in printed
    assert "searched for" not in printed


def test_in_a_conversation_each_question_brings_what_was_said_until_an_empty_line(
    bodies: list[dict[str, Any]],
) -> None:
    printed = run(typed="How many strings?\nAnd a cello?\n\nNot asked.\n")
    assert [body["query"] for body in bodies] == ["How many strings?", "And a cello?"]
    assert bodies[1]["conversation"] == [
        {"role": "user", "content": "How many strings?"},
        {"role": "assistant", "content": "Four. [1]"},
    ]
    assert "searched for: And a cello? whole" in printed


def test_the_end_of_the_input_ends_a_conversation_and_json_is_one_object_an_answer(
    bodies: list[dict[str, Any]],
) -> None:
    printed = run("--json", typed="How many strings?\nAnd a cello?\n")
    assert len(bodies) == 2
    assert printed.count('"searched_for"') == 2


def test_a_long_conversation_brings_what_a_gateway_takes(bodies: list[dict[str, Any]]) -> None:
    run("--json", typed="".join(f"question {n}\n" for n in range(70)))
    assert len(bodies[-1]["conversation"]) == 100
    assert bodies[-1]["conversation"][-2]["content"] == "question 68"
