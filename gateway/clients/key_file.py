"""The file of hashed keys: read at the start, and again when it has changed, so that a key can be taken back."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from contracts.access import KeyEntry, KeyFile
from contracts.errors import ConfigurationError
from gateway.core.clock import Clock
from gateway.core.key_ring import KeyRing, key_ring
from runtime.telemetry import get_logger

_LOOK_EVERY_S = 1.0
_log = get_logger(__name__)


class Keys:
    """The ring of now. A file that cannot be read any more leaves the keys as they were, and says so in the log.

    Args:
        path: None where all keys are in the settings.

    Raises:
        ConfigurationError: the file cannot be read at the start.
    """

    def __init__(self, plain: Sequence[str], operators: Sequence[str], path: Path | None, clock: Clock) -> None:
        self._plain, self._operators, self._path, self._clock = tuple(plain), tuple(operators), path, clock
        self._seen: tuple[int, int] | None = None
        self._looked_s = clock.monotonic_s()
        self._ring = key_ring(self._plain, self._operators, self._entries())

    def ring(self) -> KeyRing:
        """The keys, at most a second old."""
        if self._path is not None and self._clock.monotonic_s() - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = self._clock.monotonic_s()
            try:
                if self._stamp() != self._seen:
                    self._ring = key_ring(self._plain, self._operators, self._entries())
                    _log.info("api_keys_read", path=str(self._path))
            except (ConfigurationError, OSError) as exc:
                _log.error("api_keys_not_read", path=str(self._path), reason=str(exc))
        return self._ring

    def _entries(self) -> tuple[KeyEntry, ...] | None:
        if self._path is None:
            return None
        try:
            stamp = self._stamp()
            entries = msgspec.json.decode(self._path.read_bytes(), type=KeyFile).keys
        except (OSError, msgspec.DecodeError) as exc:
            raise ConfigurationError(f"The file of API keys '{self._path}' cannot be read: {exc}.") from exc
        self._seen = stamp
        return entries

    def _stamp(self) -> tuple[int, int]:
        assert self._path is not None
        found = self._path.stat()
        return found.st_mtime_ns, found.st_ino
