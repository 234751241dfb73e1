"""How records and stored objects become bytes: JSON where people read them, msgpack where vectors travel.

Unknown fields are ignored on reading (a newer writer may add some); a schema number that is newer than
this code is refused, because its meaning may have changed. Never pickle.
"""

from typing import ClassVar, Literal, TypeVar

import msgspec

from contracts.errors import BadMessage

SCHEMA_VERSION = 1


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all records and stored objects: a schema number and the tenant that owns the data."""

    WIRE: ClassVar[Literal["json", "msgpack"]] = "json"

    tenant: str
    schema: int = SCHEMA_VERSION


M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    """Bytes of a message in the wire format of its class."""
    if message.WIRE == "json":
        return msgspec.json.encode(message)
    return msgspec.msgpack.encode(message)


def decode(kind: type[M], data: bytes) -> M:
    """Read a message back.

    Raises:
        BadMessage: not the wire format, a field is missing or of a wrong type, or the schema is newer
            than this code understands.
    """
    try:
        if kind.WIRE == "json":
            message = msgspec.json.decode(data, type=kind)
        else:
            message = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadMessage(f"The record is not a valid {kind.__name__}: {exc}") from exc
    if message.schema > SCHEMA_VERSION:
        raise BadMessage(
            f"The record {kind.__name__} has schema {message.schema}; this build reads up to {SCHEMA_VERSION}."
        )
    return message
