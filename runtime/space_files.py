"""The joint spaces that a model repository describes: the first one, and those put beside it while it serves.

`space.json` describes the first, whose models have plain names. `space.<id>.json` describes another, whose models
end in its id (`contracts.space.named_in_space`); it is written last, so a space that is described is whole.
"""

from collections.abc import Mapping
from pathlib import Path

from contracts.errors import BadMessage, ConfigurationError, SpaceMismatch
from contracts.space import Space, read_space, space_file
from runtime.telemetry import get_logger

_log = get_logger(__name__)


class SpaceBook:
    """Reads the descriptions in a repository, each once. Thread-safe: reading one twice changes nothing.

    Raises:
        ConfigurationError: the first space is not described, or not properly.
    """

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.first = self._read_first()
        self._known: dict[str, Space] = {self.first.space_id: self.first}
        self._bad: set[str] = set()

    def all(self) -> Mapping[str, Space]:
        """Every space by its id, the first one first. Looks at the folder: one may have been put there."""
        for path in sorted(self.repository.glob(space_file("*"))):
            space_id = path.name.removeprefix("space.").removesuffix(".json")
            if space_id not in self._known and path.name not in self._bad:
                self._take(path, space_id)
        return dict(self._known)

    def of(self, space_id: str) -> Space:
        """A space by its id.

        Raises:
            SpaceMismatch: the repository describes no such space.
        """
        known = self._known.get(space_id) or self.all().get(space_id)
        if known is None:
            raise SpaceMismatch(f"The model repository has no models of the space {space_id}.")
        return known

    def name_part(self, space_id: str) -> str | None:
        """What `named_in_space` is given for models of this space: None for the first one."""
        return None if space_id == self.first.space_id else space_id

    def _read_first(self) -> Space:
        path = self.repository / space_file()
        try:
            return read_space(path.read_bytes())
        except FileNotFoundError:
            raise ConfigurationError("The models are not exported yet. Run `trireme setup` first.") from None
        except (OSError, BadMessage) as exc:
            raise ConfigurationError(f"The description of the joint space ({path}) cannot be read.") from exc

    def _take(self, path: Path, space_id: str) -> None:
        """A bad description is passed over: the other spaces serve on without it."""
        try:
            space = read_space(path.read_bytes())
            if space.space_id != space_id:
                raise BadMessage(f"It describes the space {space.space_id}.")
        except (OSError, BadMessage) as exc:
            _log.error("space_unreadable", file=path.name, reason=str(exc))
            self._bad.add(path.name)
        else:
            self._known[space_id] = space
