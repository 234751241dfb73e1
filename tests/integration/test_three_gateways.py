"""Three gateways over one stack: no reply is lost while one comes and goes, and keys keep callers apart."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from client.client import TriremeClient
from contracts.errors import DeadlineExceeded, DependencyDown, DependencyFailed, NotFound, Overloaded
from contracts.search import Filter
from stack.home import CHECKOUT
from stack.ports import free_ports
from tests.gateway.keys import bearer, key_file, key_of
from tests.integration.test_documents import add
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COLLECTION = "three-gateways"
ONLY = Filter(collections=(COLLECTION,))
# `make soak` has more of them come and go.
ROUNDS = int(os.environ.get("TRIREME_GATEWAY_ROUNDS", "1"))
SEARCHES_A_ROUND = 20
SCOPES = ("read", "write", "operator")
AWAY = (DependencyDown, DependencyFailed, DeadlineExceeded, Overloaded)


@contextmanager
def gateway(stack: RunningStack, folder: Path, ordinal: int, **variables: str) -> Iterator[str]:
    """One more gateway beside the stack's own, with a reply partition of its own; its address."""
    own = psutil.Process(stack.pids()["gateway"]).environ()
    (port,) = free_ports(1)
    settings = {
        "TRIREME_PORT": str(port),
        "TRIREME_ORDINAL": str(ordinal),
        "TRIREME_PROCESS": f"gateway-{ordinal}",
        "TRIREME_STATUS_DB": str(folder / f"status-{ordinal}.sqlite"),
        "TRIREME_HEALTH_PORT": "0",
        "TRIREME_LINK_SECRET": "the-same-in-all-three-gateways",
    }
    command = [sys.executable, "-m", "gateway"]
    with (folder / f"gateway-{ordinal}.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env={**os.environ, **own, **settings, **variables}, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: is_ready(url), f"gateway {ordinal} is ready", 60.0)
        yield url
    finally:
        process.kill()
        process.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2.0).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Asker(threading.Thread):
    """Searches through one gateway until told to stop, and counts what came of it."""

    url: str
    key: str | None
    stop: threading.Event
    asked: int = 0
    missing: int = 0
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        with TriremeClient(self.url, api_key=self.key, timeout_s=10.0) as client:
            while not self.stop.is_set():
                try:
                    coverage = client.search(f"seals on the sandbank {uuid.uuid4()}", k=20, filter=ONLY).coverage
                except AWAY as error:
                    self.failed.append(error.code)
                else:
                    self.missing += coverage.of - coverage.answered
                self.asked += 1

    def metric(self, name: str) -> float:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        text = httpx.get(f"{self.url}/metrics", headers=headers).raise_for_status().text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


@pytest.fixture(scope="module")
def second(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A second gateway, which wants keys."""
    folder = tmp_path_factory.mktemp("second")
    file = key_file(
        folder / "keys.json",
        plain={"scopes": SCOPES},
        acme={"scopes": SCOPES, "tenant": "acme"},
        staff={"scopes": SCOPES, "tenant": "acme", "groups": ("staff",)},
        guest={"tenant": "acme", "groups": ("guests",)},
        letters={"tenant": "acme", "collections": ("letters",)},
        other={"scopes": SCOPES, "tenant": "other"},
    )
    with gateway(stack, folder, 1, TRIREME_API_KEYS_FILE=str(file)) as url:
        yield url


def test_no_reply_is_lost_while_gateways_come_and_go(stack: RunningStack, second: str, tmp_path: Path) -> None:
    for n in range(6):
        add(stack, COLLECTION, f"seal-{n}.txt", f"Seal number {n} rests on the sandbank of Anholt.".encode())
    stop = threading.Event()
    askers = [Asker(stack.url, None, stop), Asker(second, key_of("plain"), stop)]
    unknown_before = [asker.metric("trireme_search_unknown_replies_total") for asker in askers]
    for asker in askers:
        asker.start()
    try:
        for _ in range(ROUNDS):
            goal = [asker.asked + SEARCHES_A_ROUND for asker in askers]
            # It begins to ask, and is killed while replies to it are under way.
            with gateway(stack, tmp_path, 2) as third, TriremeClient(third) as client:
                for _ in range(5):
                    assert client.search(f"seals {uuid.uuid4()}", filter=ONLY).hits
            until(
                lambda goal=goal: all(a.asked >= g for a, g in zip(askers, goal, strict=True)),
                "both go on",
                60.0,
            )
    finally:
        stop.set()
        for asker in askers:
            asker.join(20.0)
    for asker, unknown in zip(askers, unknown_before, strict=True):
        assert asker.metric("trireme_search_unknown_replies_total") == unknown, "each reads its own partition"
        # On a busy machine a reply may be late. Late is counted, and not lost.
        until(
            lambda asker=asker: asker.metric("trireme_search_late_replies_total") >= asker.missing,
            "every reply that was missing has come",
            10.0,
        )
        assert len(asker.failed) <= asker.asked / 10, asker.failed


def test_keys_keep_tenants_collections_and_readers_apart_in_the_index(stack: RunningStack, second: str) -> None:
    with ExitStack() as closing:
        http = {
            name: closing.enter_context(httpx.Client(base_url=second, headers=bearer(name), timeout=60.0))
            for name in ("acme", "staff", "guest", "letters", "other")
        }
        pay = {"readers": "staff", "collection": "books"}
        sent = http["acme"].post(
            "/v1/documents?wait=indexed&wait_s=60",
            files={"file": ("pay.txt", b"The wages of the lighthouse keepers were paid in salt.")},
            data=pay,
            headers={"X-Requested-With": "test"},
        )
        assert sent.json()["state"] == "indexed", sent.text
        doc_id = sent.json()["doc_id"]

        def found(name: str) -> set[str]:
            response = http[name].post("/v1/search", json={"query": "wages paid in salt", "k": 100})
            return {hit["doc_id"] for hit in response.raise_for_status().json()["hits"]}

        for name, sees in (
            ("acme", True),
            ("staff", True),
            ("guest", False),
            ("letters", False),
            ("other", False),
        ):
            assert (doc_id in found(name)) == sees, name
            assert http[name].get(f"/v1/documents/{doc_id}").status_code == (200 if sees else 404)
        hits = stack.client.search("wages paid in salt", k=100).hits
        assert doc_id not in {hit.doc_id for hit in hits}, "nor does the default tenant see it"
        with pytest.raises(NotFound):
            stack.client.document(doc_id)
        link = http["acme"].get(f"/v1/documents/{doc_id}").json()["file_url"]
        assert httpx.get(f"{second}{link}").content.startswith(b"The wages")
        began = time.monotonic()
        assert httpx.post(f"{second}/v1/search", json={"query": "wages"}).status_code == 401
        assert time.monotonic() - began < 5.0
