"""The encoders of all joint spaces that a repository describes, each opened when it is first asked for."""

from pathlib import Path

from encoding.batches import Inference
from encoding.encoder import Encoder
from runtime.space_files import SpaceBook


class Encoders:
    """Encoders by space. A space that was put beside the first one is found without a restart.

    Args:
        first: that of the repository's first space; `encoding.opening` opens it.

    Raises:
        ConfigurationError: the first space is not described.
    """

    def __init__(self, inference: Inference, repository: Path, first: Encoder) -> None:
        self._inference = inference
        self.first = first
        self.book = SpaceBook(repository)
        self._opened: dict[str, Encoder] = {first.space.space_id: first}

    def of(self, space_id: str) -> Encoder:
        """The encoder of a space. Reads some files the first time.

        Raises:
            SpaceMismatch: the repository describes no such space.
            ConfigurationError: its models are damaged.
        """
        if space_id not in self._opened:
            self.book.of(space_id)
            self._opened[space_id] = Encoder(self._inference, self.book.repository, space_id=space_id)
        return self._opened[space_id]
