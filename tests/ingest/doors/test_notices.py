"""Each store's own form of event."""

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadMessage
from ingest.doors.notices import Notice, parse_notices, read_notices

KEY = "store/objects/t/c/a b+c ü%41.pdf"


def s3_event(name: str, key: str, source: str = "aws:s3") -> dict[str, Any]:
    """As S3 documents it, shortened (AWS S3 user guide, "Event message structure"); MinIO and Ceph follow it."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": source,
                "awsRegion": "us-west-2",
                "eventTime": "2026-01-01T00:00:00.000Z",
                "eventName": name,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": "b", "arn": "arn:aws:s3:::b"},
                    # Ceph sends sizes as text, deletes have none.
                    "object": {
                        "key": key,
                        "size": "1024",
                        "eTag": "e",
                        "versionId": "v",
                        "sequencer": "0055AED6DCD90281E5",
                    },
                },
            }
        ]
    }


def bridge_event(kind: str, key: str) -> dict[str, Any]:
    """As EventBridge documents it (AWS S3 user guide, "EventBridge event message structure")."""
    detail = {
        "version": "0",
        "bucket": {"name": "b"},
        "object": {"key": key, "version-id": "v"},
        "reason": "DeleteObject",
    }
    return {
        "version": "0",
        "detail-type": kind,
        "source": "aws.s3",
        "resources": ["arn:aws:s3:::b"],
        "detail": detail,
    }


def filer_event(kind: str, path: str, **message: Any) -> dict[str, Any]:
    """As SeaweedFS's filer sends it (weed/notification/webhook/http.go)."""
    return {"key": path, "event_type": kind, "message": message}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ObjectCreated:Put", "created"),
        ("ObjectCreated:CompleteMultipartUpload", "created"),
        ("ObjectCreated:Copy", "created"),
        ("ObjectRemoved:Delete", "removed"),
        ("ObjectRemoved:DeleteMarkerCreated", "removed"),
        ("LifecycleExpiration:Delete", "removed"),
        ("LifecycleExpiration:DeleteMarkerCreated", "removed"),
        ("ObjectLifecycle:Expiration:Current", "removed"),
        ("ObjectLifecycle:Expiration:AbortMultipartUpload", "other"),
        ("ObjectTagging:Put", "other"),
        ("ObjectRestore:Completed", "other"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "s3:"], ids=["AWS", "MinIO"])
def test_s3_s_names_say_what_happened(name: str, kind: str, prefix: str) -> None:
    [notice] = read_notices(s3_event(prefix + name, "k"))
    assert notice.kind == kind


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_key_survives_s3_s_encoding(key: str) -> None:
    assert read_notices(s3_event("ObjectCreated:Put", quote_plus(key))) == [Notice("b", key, "created")]


def test_ceph_and_eventbridge_send_keys_as_they_are() -> None:
    expected = [Notice("b", KEY, "created")]
    assert read_notices(s3_event("ObjectCreated:Put", KEY, source="ceph:s3")) == expected
    assert read_notices(bridge_event("Object Created", KEY)) == expected


def test_eventbridge_says_when_an_object_goes_and_other_things() -> None:
    kinds = [read_notices(bridge_event(kind, "k"))[0].kind for kind in ("Object Deleted", "Object Tags Added")]
    assert kinds == ["removed", "other"]


def test_sns_may_have_wrapped_it() -> None:
    inner = json.dumps(s3_event("ObjectRemoved:Delete", quote_plus(KEY)))
    expected = [Notice("b", KEY, "removed")]
    assert read_notices({"Type": "Notification", "TopicArn": "arn", "Message": inner}) == expected
    assert read_notices({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": inner}}]}) == expected


def test_seaweedfs_tells_of_files_by_their_path() -> None:
    path = "/buckets/b/" + KEY
    entry = {"name": "x"}
    assert read_notices(filer_event("create", path, new_entry=entry)) == [Notice("b", KEY, "created")]
    assert read_notices(filer_event("update", path, old_entry=entry, new_entry=entry)) == [
        Notice("b", KEY, "created")
    ]
    assert read_notices(filer_event("delete", path, old_entry=entry)) == [Notice("b", KEY, "removed")]


def test_a_file_that_seaweedfs_renames_leaves_one_place_and_comes_to_another() -> None:
    event = filer_event(
        "rename",
        "/buckets/b/old.txt",
        old_entry={},
        new_entry={"name": "new.txt"},
        new_parent_path="/buckets/b/dir",
    )
    assert read_notices(event) == [Notice("b", "old.txt", "removed"), Notice("b", "dir/new.txt", "created")]


def test_seaweedfs_s_folders_are_no_documents() -> None:
    assert (
        read_notices(filer_event("create", "/buckets/b/dir", new_entry={"name": "dir", "is_directory": True}))
        == []
    )


def test_the_event_that_s3_sends_at_set_up_holds_nothing() -> None:
    assert read_notices({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"Records": [{}]}',
        '{"Records": [1]}',
        '{"Records": 1}',
        json.dumps(
            {
                "Records": [
                    {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": 1}, "object": {"key": "k"}}}
                ]
            }
        ),
        json.dumps(s3_event("ObjectCreated:Put", "%FF")),
        json.dumps(bridge_event("Object Created", "k") | {"detail": {}}),
        json.dumps(filer_event("create", "/etc/passwd")),
        json.dumps(filer_event("bless", "/buckets/b/k")),
        json.dumps({"Type": "Notification", "Message": "not JSON"}),
    ],
)
def test_a_malformed_body_is_refused_with_a_sentence(body: str) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse_notices(body)
    assert refusal.value.message.endswith(".")


def test_wrappings_without_end_are_refused() -> None:
    body: dict[str, Any] = {"Event": "s3:TestEvent"}
    for _ in range(9):
        body = {"Type": "Notification", "Message": json.dumps(body)}
    with pytest.raises(BadMessage):
        read_notices(body)
