"""Words to token tensors: the checkpoint's own tokenizer, and padding to a few lengths.

Triton's dynamic batcher joins requests of equal shape only, so lengths are rounded up to buckets; finer
than powers of two, because on a CPU every padded token is computed.
"""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contracts.errors import ConfigurationError, InvalidInput, PayloadTooLarge

BUCKETS: tuple[int, ...] = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 448, 512)


class TextTokens:
    """A checkpoint's tokenizer.

    Args:
        path: its tokenizer.json.
        max_length: longest sequence with special tokens that the model takes.
    """

    def __init__(self, path: Path, *, max_length: int, pad_token_id: int) -> None:
        if not path.is_file():
            raise ConfigurationError("The text encoder's tokenizer is missing: run `trireme setup`.")
        self._tokenizer = Tokenizer.from_file(str(path))
        # Truncation would silently cap counts, padding would inflate them.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._last_id = max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        self.max_length = max_length
        self._pad_token_id = pad_token_id
        self._buckets = (*(b for b in BUCKETS if b < max_length), max_length)

    @property
    def max_tokens(self) -> int:
        """Longest text, in tokens without the special ones."""
        return self.max_length - int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    def count(self, text: str) -> int:
        """Tokens of a text without the special ones."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens, unpadded.

        Raises:
            PayloadTooLarge: a text is longer than the model takes.
        """
        sequences = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        self._refuse_long(sequences)
        return sequences

    def beginning(self, text: str) -> list[int]:
        """Token ids of as much of a text as the model takes; the last one is kept, as it ends the text."""
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids if len(ids) <= self.max_length else [*ids[: self.max_length - 1], ids[-1]]

    def check(self, sequences: Sequence[Sequence[int]]) -> None:
        """Refuse token ids that are not this tokenizer's.

        Raises:
            InvalidInput: a sequence is empty, or holds an id outside the vocabulary.
            PayloadTooLarge: one is longer than the model takes.
        """
        self._refuse_long(sequences)
        for ids in sequences:
            if not ids or not 0 <= min(ids) <= max(ids) <= self._last_id:
                raise InvalidInput(f"Token ids are from 0 to {self._last_id}, and a text has one at least.")

    def _refuse_long(self, sequences: Sequence[Sequence[int]]) -> None:
        longest = max((len(ids) for ids in sequences), default=0)
        if longest > self.max_length:
            raise PayloadTooLarge(
                f"The text has {longest} tokens; the text encoder reads at most {self.max_length}."
            )

    def bucket(self, length: int) -> int:
        """Length that a sequence is padded to."""
        return self._buckets[bisect_left(self._buckets, length)]

    def pad(self, sequences: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
        """Tensors `input_ids` and `attention_mask`, INT64 [n, bucket of the longest]."""
        length = self.bucket(max(len(ids) for ids in sequences))
        input_ids = np.full((len(sequences), length), self._pad_token_id, dtype=np.int64)
        attention_mask = np.zeros((len(sequences), length), dtype=np.int64)
        for row, ids in enumerate(sequences):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        return {"input_ids": input_ids, "attention_mask": attention_mask}
