"""Impression ids: what a response was, signed, so that feedback on it needs no memory of it. Pure."""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from contracts.errors import Conflict, InvalidInput

_SIGNATURE_BYTES = 16
_LONGEST = 4096


class ImpressionMember(msgspec.Struct, frozen=True, array_like=True):
    """The response's part in an experiment.

    Args:
        teams: of an interleaved list, the index of the variant that brought each hit.
    """

    experiment: str
    run: int
    variant: int
    unit: str
    teams: bytes | None = None


class Impression(msgspec.Struct, frozen=True, array_like=True):
    """A response as its id tells it.

    Args:
        nonce: names it among all.
        issued_s: Unix time in seconds.
        n_hits: how many hits it showed.
    """

    tenant: str
    nonce: str
    issued_s: int
    n_hits: int
    members: tuple[ImpressionMember, ...] = ()


@dataclass(frozen=True, slots=True)
class ImpressionSigner:
    """Makes ids and reads them back. Gateways behind one address need the same secret.

    Args:
        secret: at least 16 bytes.
        ttl_s: how long feedback is taken.
    """

    secret: bytes
    ttl_s: int

    def issue(self, impression: Impression) -> str:
        """The impression's id, in letters that a URL can hold."""
        data = msgspec.msgpack.encode(impression)
        return f"{_text(data)}.{_text(self._signature(data))}"

    def read(self, impression_id: str, now_s: float) -> Impression:
        """The impression behind an id.

        Raises:
            InvalidInput: no gateway of ours gave it out. Conflict: it is too old.
        """
        data, _, signature = impression_id.partition(".")
        try:
            payload, given = _bytes(data), _bytes(signature)
            if len(impression_id) > _LONGEST or not hmac.compare_digest(self._signature(payload), given):
                raise ValueError
            impression = msgspec.msgpack.decode(payload, type=Impression)
        except (ValueError, binascii.Error, msgspec.DecodeError) as exc:
            raise InvalidInput(
                "This impression id was not given out by this gateway.", param="impression_id"
            ) from exc
        if now_s > impression.issued_s + self.ttl_s:
            raise Conflict("Feedback on this response comes too late.", param="impression_id")
        return impression

    def _signature(self, data: bytes) -> bytes:
        # The label keeps signatures of links, made with the same secret, from being signatures of impressions.
        return hmac.digest(self.secret, b"impression\n" + data, hashlib.sha256)[:_SIGNATURE_BYTES]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
