"""A hub on this machine: as much of the Hugging Face hub's HTTP interface as a download of a model uses.

It serves folders, with the sizes, hashes, redirects and error codes that huggingface_hub 2.4 reads
(hf_api.model_info and list_repo_tree, file_download.get_hf_file_metadata, utils/_http.hf_raise_for_status).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.export.checkpoints import SEED

LARGE_SUFFIXES = frozenset({".safetensors", ".bin"})
"""Kept apart from the repository's git, and reached over a redirect."""


@dataclass(slots=True)
class LocalHub:
    """What the hub holds, how it behaves, and what it was asked.

    Args:
        revisions: folder by branch or tag.
        token: who may read; None lets everybody.
        gated: None; "files" tells what there is and gives out none of it, "all" tells nothing.
        status: an error that every request is answered with.
        cuts: so many times the second half of a large file does not come.
        silent: a request gets no answer until the hub ends.
        requests: (method, path) of every request. authorizations: the Authorization headers by host.
    """

    repository: str
    revisions: Mapping[str, Path]
    token: str | None = None
    gated: str | None = None
    status: int | None = None
    cuts: int = 0
    silent: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    endpoint: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: dict[str, set[str | None]] = field(default_factory=dict)

    def commit(self, revision: str = "main") -> str:
        """40 hex digits that change with any byte."""
        digest = hashlib.sha1(f"{SEED} {self.repository}".encode())
        for name, content in self.files(revision).items():
            digest.update(name.encode() + hashlib.sha256(content).digest())
        return digest.hexdigest()

    def files(self, revision: str = "main") -> dict[str, bytes]:
        folder = self.revisions[revision]
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}

    def resolve(self, revision: str) -> str | None:
        """The branch or tag that a name or a commit stands for."""
        return next((name for name in self.revisions if revision in (name, self.commit(name))), None)

    @property
    def fetched(self) -> set[str]:
        """Names of the files that were asked for with their content."""
        starts = (f"/{self.repository}/resolve/", "/large/")
        paths = [
            path.removeprefix(start)
            for method, path in self.requests
            for start in starts
            if method == "GET" and path.startswith(start)
        ]
        return {path.partition("/")[2] for path in paths}


@contextmanager
def serving(hub: LocalHub) -> Iterator[LocalHub]:
    """The hub on a free port of the loopback interface."""

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: LocalHub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""

    def _answer(self, *, with_body: bool) -> None:
        hub, path = self.served, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        host = str(self.headers.get("Host")).partition(":")[0]
        hub.authorizations.setdefault(host, set()).add(self.headers.get("Authorization"))
        if hub.silent:
            hub.ended.wait()
            self.close_connection = True
            return
        authorized = hub.token is None or self.headers.get("Authorization") == f"Bearer {hub.token}"
        if hub.status is not None:
            self._fail(hub.status)
        elif path.startswith("/large/"):
            self._large(path, with_body)
        elif path.startswith(f"/api/models/{hub.repository}"):
            if not authorized or hub.gated == "all":
                self._fail(401, "GatedRepo" if hub.gated else "RepoNotFound")
            else:
                self._describe(path.removeprefix(f"/api/models/{hub.repository}").strip("/"))
        elif path.startswith(f"/{hub.repository}/resolve/"):
            if not authorized or hub.gated:
                self._fail(403, "GatedRepo")
            else:
                revision, _, name = path.removeprefix(f"/{hub.repository}/resolve/").partition("/")
                self._file(revision, name, with_body)
        else:
            self._fail(404, "RepoNotFound")

    def _describe(self, rest: str) -> None:
        """`revision/REV` (or nothing) tells of the repository, `tree/REV` lists it."""
        kind, _, name = rest.partition("/")
        revision = self.served.resolve(name or "main")
        if revision is None:
            self._fail(404, "RevisionNotFound")
            return
        files = self.served.files(revision)
        if kind == "tree":
            listed: object = [
                {"type": "file", "path": name, "size": len(content), "oid": _blob(content)}
                | _large_facts(name, content)
                for name, content in files.items()
            ]
        else:
            siblings = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
            repository = self.served.repository
            listed = {
                "id": repository,
                "sha": self.served.commit(revision),
                "siblings": siblings,
                "private": False,
            }
        self._send(200, {"Content-Type": "application/json"}, json.dumps(listed).encode())

    def _file(self, revision: str, name: str, with_body: bool) -> None:
        known = self.served.resolve(revision)
        content = self.served.files(known).get(name) if known else None
        if known is None or content is None:
            self._fail(404, "EntryNotFound")
            return
        headers = {"X-Repo-Commit": self.served.commit(known)}
        if Path(name).suffix in LARGE_SUFFIXES:
            sha256 = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
            # Another host, as the hub's own store is: clients stay there for facts and leave their token at home.
            elsewhere = self.served.endpoint.replace("127.0.0.1", "localhost")
            self._send(302, headers | {"Location": f"{elsewhere}/large/{known}/{name}"}, b"")
        else:
            self._send(200, headers | {"ETag": f'"{_blob(content)}"'}, content, with_body)

    def _large(self, path: str, with_body: bool) -> None:
        known, _, name = path.removeprefix("/large/").partition("/")
        content = self.served.files(known)[name]
        etag = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Accept-Ranges": "bytes"}
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if start:
            etag["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        sent = len(content) - start
        if self.served.cuts and with_body:
            self.served.cuts -= 1
            sent //= 2
        self._send(206 if start else 200, etag, content[start:], with_body, sent_bytes=sent)

    def _fail(self, status: int, code: str | None = None) -> None:
        self._send(status, {"X-Error-Code": code} if code else {}, b"")

    def _send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        with_body: bool = True,
        sent_bytes: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body[:sent_bytes])


def _blob(content: bytes) -> str:
    """git's hash of a file."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _large_facts(name: str, content: bytes) -> dict[str, object]:
    if Path(name).suffix not in LARGE_SUFFIXES:
        return {}
    return {"lfs": {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}}
