"""`--sync` over folders, S3 buckets and the stack's own store: real gateway routes, mock Kafka, moto's S3."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from cli.syncing import Deployment, SyncReport, sync
from client.client import TriremeClient
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.ids import document_id
from runtime.log_epoch import settle_log_epoch
from runtime.object_store import ObjectStore
from tests.gateway.door import Door
from tests.gateway.listening import listening_in_a_thread
from tests.mock_kafka import door_events, file_events, mock_kafka
from tests.s3_server import BUCKET, S3Server, s3_server, use


@dataclass
class Scene:
    """A gateway's routes over a library in memory, and how it is synced."""

    door: Door
    client: TriremeClient
    deployment: Deployment

    def sync(self, url: str, *, dry_run: bool = False, max_share: float = 1.0) -> SyncReport:
        return sync(
            self.deployment,
            url,
            "mirror",
            Console(quiet=True),
            lane="live",
            dry_run=dry_run,
            max_share=max_share,
            wait=False,
            timeout_s=20,
        )

    def states(self) -> dict[str | None, str]:
        return {view.source: view.state for view in self.client.documents(collection="mirror").documents}


@pytest.fixture
def scene() -> Iterator[Scene]:
    door = Door()
    with listening_in_a_thread(door) as url, TriremeClient(url) as client:
        yield Scene(door, client, Deployment(client, None, None))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "manuals"
    (root / "pumps").mkdir(parents=True)
    (root / "kiln.txt").write_text("The kiln burned at nine hundred degrees.")
    (root / "pumps" / "big.md").write_text("# Pumps\n\nThe big one.")
    (root / "tool.exe").write_bytes(b"MZ\x90\x00" + bytes(64))
    return root


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with s3_server() as server:
        use(server, monkeypatch)
        yield server


def counts(report: SyncReport) -> tuple[list[str], list[str], list[str], int]:
    return report.added, report.changed, report.deleted, report.unchanged


def test_a_folder_comes_in_changes_and_goes(scene: Scene, folder: Path) -> None:
    first = scene.sync(folder.as_uri())
    assert counts(first) == (["kiln.txt", "pumps/big.md"], [], [], 0)
    assert list(first.refused) == ["tool.exe"]
    assert first.failed

    (folder / "kiln.txt").write_text("The kiln burned at a thousand degrees.")
    (folder / "pumps" / "big.md").unlink()
    (folder / "new.txt").write_text("A bicycle.")
    assert counts(scene.sync(str(folder))) == (["new.txt"], ["kiln.txt"], ["pumps/big.md"], 0)
    assert scene.states() == {"kiln.txt": "processing", "new.txt": "processing", "pumps/big.md": "deleting"}
    assert counts(scene.sync(str(folder))) == ([], [], [], 2), "the next run finds nothing to do"


def test_a_dry_run_says_the_same_and_does_nothing(scene: Scene, folder: Path) -> None:
    said = scene.sync(str(folder), dry_run=True)
    assert scene.states() == {}
    assert counts(said) == counts(scene.sync(str(folder)))
    (folder / "kiln.txt").unlink()
    assert scene.sync(str(folder), dry_run=True).deleted == ["kiln.txt"]
    assert scene.states()["kiln.txt"] == "processing"


def test_a_folder_that_lost_its_files_deletes_nothing_unless_that_is_meant(scene: Scene, folder: Path) -> None:
    scene.sync(str(folder))
    for file in folder.rglob("*.*"):
        file.unlink()
    with pytest.raises(Conflict, match="2 of 2"):
        scene.sync(str(folder), max_share=0.1)
    assert set(scene.states().values()) == {"processing"}
    assert scene.sync(str(folder), max_share=1.0).deleted == ["kiln.txt", "pumps/big.md"]


def test_a_folder_that_is_not_there_is_no_empty_one(scene: Scene, folder: Path) -> None:
    scene.sync(str(folder))
    with pytest.raises(NotFound):
        scene.sync(str(folder.parent / "unmounted"))


def test_other_collections_are_left_alone(scene: Scene, folder: Path) -> None:
    scene.client.upload(b"A swan.", "swan.txt", collection="other")
    scene.sync(str(folder))
    assert {view.state for view in scene.client.documents(collection="other").documents} == {"processing"}


def test_a_bucket_of_s3_comes_in_changes_and_goes(scene: Scene, s3: S3Server) -> None:
    for key, body in {"in/kiln.txt": b"The kiln.", "in/a/big.md": b"# Pumps", "out/no.txt": b"No."}.items():
        s3.client.put_object(Bucket=BUCKET, Key=key, Body=body)
    url = f"s3://{BUCKET}/in"
    assert counts(scene.sync(url)) == (["a/big.md", "kiln.txt"], [], [], 0)

    s3.client.put_object(Bucket=BUCKET, Key="in/kiln.txt", Body=b"The oven.")
    s3.client.delete_object(Bucket=BUCKET, Key="in/a/big.md")
    report = scene.sync(url)
    assert counts(report) == ([], ["kiln.txt"], ["a/big.md"], 0), "the same size does not hide other bytes"
    assert scene.states() == {"kiln.txt": "processing", "a/big.md": "deleting"}


@pytest.fixture
def own(scene: Scene, s3: S3Server, tmp_path: Path) -> Iterator[Scene]:
    asyncio.run(settle_log_epoch(ObjectStore.from_url(f"s3://{BUCKET}/stack"), "cluster/topic"))
    with mock_kafka(tmp_path) as kafka:
        scene.deployment = Deployment(scene.client, kafka, f"s3://{BUCKET}/stack")
        yield scene


def test_events_that_the_store_lost_are_made_up_for(own: Scene, s3: S3Server) -> None:
    s3.client.put_object(Bucket=BUCKET, Key="stack/objects/default/mirror/a/kiln.txt", Body=b"The kiln.")
    url = f"s3://{BUCKET}/stack"
    assert own.sync(url, dry_run=True).added == ["a/kiln.txt"]
    kafka = own.deployment.kafka or ""
    assert file_events(kafka) == []

    assert own.sync(url).added == ["a/kiln.txt"]
    (event,) = file_events(kafka)
    head = s3.client.head_object(Bucket=BUCKET, Key="stack/objects/default/mirror/a/kiln.txt")
    assert (event.doc_id, event.event) == (document_id("default", "mirror", "a/kiln.txt"), "added")
    assert event.etag == head["ETag"]

    for told in door_events(kafka):
        own.door.status.tell(told)
    assert counts(own.sync(url)) == ([], [], [], 1)

    s3.client.delete_object(Bucket=BUCKET, Key="stack/objects/default/mirror/a/kiln.txt")
    assert own.sync(url).deleted == ["a/kiln.txt"]
    assert [each.event for each in file_events(kafka)] == ["added", "deleted"]


def test_the_own_store_needs_its_log(own: Scene) -> None:
    own.deployment = Deployment(own.client, None, f"s3://{BUCKET}/stack")
    with pytest.raises(InvalidInput, match="--kafka"):
        own.sync(f"s3://{BUCKET}/stack")
