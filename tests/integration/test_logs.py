"""What a running stack writes down: lines that can be found again, and nothing that is not theirs to tell."""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from client.client import TriremeClient
from contracts.errors import InvalidInput, NotFound, Unauthenticated
from contracts.search import Filter
from stack.home import CHECKOUT
from stack.ports import LOOPBACK
from tests.gateway.keys import key_file, key_of
from tests.integration.test_three_gateways import gateway
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COLLECTION = "logged"
ONLY = Filter(collections=(COLLECTION,))
ORDINAL = 9
LINK_SECRET = "a-secret-of-links-that-no-log-has"
NOT_OURS = frozenset({"kafka", "redis", "triton"})
WRONG_KEY = "a-wrong-key-that-somebody-tried"


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            pytest.fail(f"{path.name}: {line[:200]}")


def test_logs_can_be_followed_and_hold_no_text_key_or_signature(stack: RunningStack, tmp_path: Path) -> None:
    # Words that nobody else writes: in the document, in the questions, in what is refused.
    fact, asked, refused = (f"{name}{secrets.token_hex(6)}" for name in ("osterkai", "question", "refused"))
    keys = key_file(tmp_path / "keys.json", writer={"scopes": ("read", "write")})
    secret = [fact, asked, refused, key_of("writer"), WRONG_KEY, LINK_SECRET]
    variables = {"TRIREME_API_KEYS_FILE": str(keys), "TRIREME_LINK_SECRET": LINK_SECRET}
    with (
        gateway(stack, tmp_path, ORDINAL, **variables) as url,
        TriremeClient(url, api_key=key_of("writer")) as client,
    ):
        text = f"The harbour of {fact} was dug in 1801. Its mole is four hundred metres long."
        sent = client.upload(text.encode(), "harbour.txt", collection=COLLECTION)
        assert client.wait(sent.doc_id, version=sent.version, timeout_s=60.0).state == "indexed"
        picture = client.upload((CHECKOUT / "samples" / "cactus.png").read_bytes(), "p.png", collection=COLLECTION)
        assert client.wait(picture.doc_id, version=picture.version, timeout_s=60.0).state == "indexed"

        found = client.search(f"{asked} When was {fact} dug?", filter=ONLY)
        assert fact in str(found.hits)
        assert found.impression_id
        links = [hit.picture_url for hit in client.search("a cactus", filter=ONLY).hits if hit.picture_url]
        secret += [found.impression_id, *(re.findall(r"signature=([^&]+)", link)[0] for link in links)]
        assert links
        assert client.get_bytes(links[0])
        assert fact in client.answer(f"{asked} When was the harbour of {fact} dug?", filter=ONLY).answer

        broken = client.upload(b"\x89PNG\r\n\x1a\n" + refused.encode(), "broken.png", collection=COLLECTION)
        assert client.wait(broken.doc_id, version=broken.version, timeout_s=60.0).state == "failed"
        with pytest.raises(InvalidInput):
            client.search(refused, k=0, filter=ONLY)
        with pytest.raises(NotFound):
            client.get_bytes(links[0].replace("signature=", "signature=0"))
        with TriremeClient(url, api_key=WRONG_KEY) as stranger, pytest.raises(Unauthenticated):
            stranger.search(refused)
        assert httpx.get(f"{url}/v1/documents?{refused}={refused}").status_code == 401
        with socket.create_connection((LOOPBACK, httpx.URL(url).port or 0), timeout=5) as door:
            door.sendall(f"{refused} is no HTTP\r\n\r\n".encode())
            assert b"400" in door.recv(1000)
        failed_trace = client.document(broken.doc_id).trace_id

    logs = [*stack.home.logs.glob("*.log"), tmp_path / f"gateway-{ORDINAL}.log"]
    ours = [path for path in logs if path.stem not in NOT_OURS]
    assert {path.stem for path in logs} >= {view.name for view in stack.state().processes}

    def told_of_failure() -> list[dict[str, Any]]:
        every = (line for path in ours for line in lines_of(path))
        return [line for line in every if line.get("doc_id") == broken.doc_id]

    until(lambda: len(told_of_failure()) == 2, "both embedders have told of the picture", 20.0)
    assert {line["stage"] for line in told_of_failure()} == {"text", "image"}
    assert {line["trace_id"] for line in told_of_failure()} == {failed_trace}
    for path in ours:
        for line in lines_of(path):
            assert line.keys() >= {"event", "level", "timestamp", "process"}, line
            assert line["process"] == path.stem
            assert line["level"] != "debug"
            if "doc_id" in line:
                assert line.keys() >= {"trace_id", "stage", "version"}, line
    foreign = [line for line in lines_of(tmp_path / f"gateway-{ORDINAL}.log") if line.get("logger")]
    assert [line["event"] for line in foreign] == ["Invalid HTTP request received."]
    for path in [*logs, *stack.home.traces.glob("*.jsonl")]:
        written = path.read_text(errors="replace")
        assert [each for each in secret if each in written] == [], path.name
