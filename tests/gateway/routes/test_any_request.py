"""Requests made from the OpenAPI description, sound ones and broken ones: none is an internal error.

`TRIREME_SCHEMA_REQUESTS` says how many in all; `make soak` sends 5,000.
"""

import os
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from gateway.settings import GatewaySettings
from tests.gateway.door import WRITE, Door

# The client's own name for an app without a network is let in; foreign names are tested in test_guards.
DOOR = Door(GatewaySettings(allowed_hosts=("127.0.0.1", "testserver")))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", DOOR.app()).exclude(
    # It ends when its reader leaves, and the client here reads to the end.
    path="/v1/documents/events"
)
MODELS = ("text_encoder", "clip_text", "clip_image", "llama", "trireme")
N_OPERATIONS = len(list(SCHEMA.get_all_operations()))
N_REQUESTS = int(os.environ.get("TRIREME_SCHEMA_REQUESTS", "200"))


def _come_further(body: dict[str, Any]) -> None:
    """Text that is no Base64 and names of no model would end nearly every request at its door."""
    size = len(repr(body))
    if size % 4:
        body.pop("image", None)
        body.pop("images", None)
    if "model" in body and size % 3:
        body["model"] = MODELS[size % len(MODELS)]


@SCHEMA.parametrize()
@settings(
    max_examples=max(1, -(-N_REQUESTS // N_OPERATIONS)),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_sent_there_is_an_answer_or_a_problem_that_says_whose_it_is(case: Case) -> None:
    # Nothing works on documents here, so waiting for one would only take the time that was asked for.
    if isinstance(case.query, dict):
        case.query.pop("wait", None)
    if isinstance(case.body, dict):
        _come_further(case.body)
    response = case.call(headers=WRITE, base_url="http://127.0.0.1")
    assert response.status_code not in {500, 502}, response.text
    if response.status_code in {429, 503, 504}:
        assert response.headers["retry-after"]
    if response.status_code >= 400:
        kind = response.headers["content-type"][0]
        speaks_openai = "error" in response.json()
        assert kind == ("application/json" if speaks_openai else "application/problem+json")
        body = response.json()["error"] if speaks_openai else response.json()
        assert body["message" if speaks_openai else "detail"].endswith((".", "…"))
