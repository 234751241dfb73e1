"""What object stores say when an object comes or goes, read from each store's own form. Pure.

| form | sent by | its keys |
|---|---|---|
| `Records` of S3 | AWS S3 to Lambda, SQS, SNS; MinIO by HTTP | URL-encoded, spaces as plus signs |
| the same | Ceph by HTTP (`eventSource` is "ceph:s3") | as they are |
| EventBridge | AWS S3 | as they are |
| `key`, `event_type`, `message` | SeaweedFS's filer by HTTP | paths: /buckets/BUCKET/KEY |

SNS may have wrapped any of the first three. A queue's messages are unwrapped by whoever reads the queue.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import unquote_plus

import msgspec

from contracts.errors import BadMessage

T = TypeVar("T")

Kind = Literal["created", "removed", "other"]

_NO_EVENT = "This is no event of an object store."
_RAW_KEYS = frozenset({"ceph:s3"})
_BUCKETS = "/buckets/"
_REMOVED = (
    "ObjectRemoved:",
    "LifecycleExpiration:",
    "ObjectLifecycle:Expiration:Current",
    "ObjectLifecycle:Expiration:DeleteMarker",
)
_MOST_WRAPPINGS = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened to an object. Only a hint: the object itself tells what there is now.

    Args:
        kind: "other" for what says nothing about a document's bytes, such as a change of tags.
    """

    bucket: str
    key: str
    kind: Kind


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Object(msgspec.Struct, frozen=True):
    key: str


class _Place(msgspec.Struct, frozen=True):
    bucket: _Named
    object: _Object


class _Record(msgspec.Struct, frozen=True, rename="camel"):
    event_name: str
    s3: _Place
    event_source: str = ""


class _Bridged(msgspec.Struct, frozen=True, rename={"detail_type": "detail-type"}):
    detail_type: str
    detail: _Place


class _Entry(msgspec.Struct, frozen=True):
    name: str = ""
    is_directory: bool = False


class _Filed(msgspec.Struct, frozen=True):
    old_entry: _Entry | None = None
    new_entry: _Entry | None = None
    new_parent_path: str = ""


class _FilerEvent(msgspec.Struct, frozen=True):
    key: str
    event_type: str
    message: _Filed = _Filed()


def parse_notices(data: bytes | str) -> list[Notice]:
    """The notices in a body, see `read_notices`.

    Raises:
        BadMessage: no JSON, or no event of an object store.
    """
    try:
        return read_notices(msgspec.json.decode(data))
    except msgspec.DecodeError as exc:
        raise BadMessage("The body is not JSON.") from exc


def read_notices(body: Any, *, wrappings: int = _MOST_WRAPPINGS) -> list[Notice]:
    """The notices in an event, in order; none in the test event that S3 sends when it is set up.

    Raises:
        BadMessage: no event of an object store.
    """
    if not isinstance(body, dict) or wrappings < 0:
        raise BadMessage(_NO_EVENT)
    match body:
        case {"Records": [*records]}:
            return [notice for record in records for notice in _of_record(record, wrappings)]
        case {"source": "aws.s3", "detail": _}:
            return [_of_bridge(_convert(body, _Bridged))]
        case {"Event": "s3:TestEvent"}:
            return []
        case {"Type": "Notification", "Message": str(message)}:
            return read_notices(_unwrapped(message), wrappings=wrappings - 1)
        case {"key": _, "event_type": _}:
            return _of_filer(_convert(body, _FilerEvent))
    raise BadMessage(_NO_EVENT)


def _of_record(record: Any, wrappings: int) -> list[Notice]:
    match record:
        case {"Sns": {"Message": str(message)}}:
            return read_notices(_unwrapped(message), wrappings=wrappings - 1)
    read = _convert(record, _Record)
    place = read.s3
    key = place.object.key if read.event_source in _RAW_KEYS else _decoded(place.object.key)
    return [Notice(place.bucket.name, key, _kind(read.event_name))]


def _kind(event_name: str) -> Kind:
    name = event_name.removeprefix("s3:")
    if name.startswith("ObjectCreated:"):
        return "created"
    return "removed" if name.startswith(_REMOVED) else "other"


def _of_bridge(event: _Bridged) -> Notice:
    kinds: dict[str, Kind] = {"Object Created": "created", "Object Deleted": "removed"}
    place = event.detail
    return Notice(place.bucket.name, place.object.key, kinds.get(event.detail_type, "other"))


def _of_filer(event: _FilerEvent) -> list[Notice]:
    message = event.message
    entry = message.new_entry or message.old_entry
    if entry is not None and entry.is_directory:
        return []
    match event.event_type:
        case "create" | "update":
            return [_at_path(event.key, "created")]
        case "delete":
            return [_at_path(event.key, "removed")]
        case "rename" if message.new_entry is not None:
            new_path = f"{message.new_parent_path}/{message.new_entry.name}"
            return [_at_path(event.key, "removed"), _at_path(new_path, "created")]
    raise BadMessage("The filer's event is of a kind that is not known.")


def _at_path(path: str, kind: Kind) -> Notice:
    bucket, _, key = path.removeprefix(_BUCKETS).partition("/")
    if not path.startswith(_BUCKETS) or not key:
        raise BadMessage("The filer's event is about a file outside any bucket.")
    return Notice(bucket, key, kind)


def _decoded(key: str) -> str:
    try:
        return unquote_plus(key, errors="strict")
    except UnicodeDecodeError as exc:
        raise BadMessage("The event's key is not UTF-8.") from exc


def _unwrapped(message: str) -> Any:
    try:
        return msgspec.json.decode(message)
    except msgspec.DecodeError as exc:
        raise BadMessage("The message inside the notification is not JSON.") from exc


def _convert(value: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise BadMessage(_NO_EVENT) from exc
