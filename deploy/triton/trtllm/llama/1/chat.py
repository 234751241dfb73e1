"""A checkpoint's tokenizer and chat template, without transformers: text in, tokens and prompts out."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer


class Chat:
    """The files of one checkpoint.

    Args:
        folder: with tokenizer.json, tokenizer_config.json and, unless that holds it, chat_template.jinja.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        self._tokens = {name: _content(settings.get(name)) for name in ("bos_token", "eos_token")}
        written = folder / "chat_template.jinja"
        template = written.read_text() if written.is_file() else settings["chat_template"]
        # As transformers renders it: checkpoints rely on how blanks around blocks are kept.
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals.update(raise_exception=_refuse, strftime_now=_now)
        self._template = environment.from_string(template)
        self._starts_itself = self._tokenizer.encode("").ids == [
            self._tokenizer.token_to_id(self._tokens["bos_token"])
        ]

    def prompt(self, messages: list[dict[str, str]]) -> str:
        """A conversation in the words of the template, special tokens written out.

        Raises:
            ValueError: the template takes no such conversation.
        """
        try:
            return self._template.render(messages=messages, add_generation_prompt=True, **self._tokens)
        except TemplateError as error:
            raise ValueError(f"the chat template refuses the messages: {error}") from error

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, with no special token that is not written out in it."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: tuple[int, ...]) -> str:
        """The text of tokens, special ones written out.

        Raises:
            ValueError: there is no text that gives these tokens.
        """
        text = str(self._tokenizer.decode(list(ids), skip_special_tokens=False))
        if self.encode(text) != list(ids):
            raise ValueError(
                "input_ids are not the tokens of any text, and TensorRT-LLM's Triton model takes text only"
            )
        return text

    def for_a_tokenizer_that_starts(self, prompt: str) -> str:
        """The prompt less its beginning-of-text token, if the tokenizer of the writer puts one in front itself."""
        return prompt.removeprefix(self._tokens["bos_token"]) if self._starts_itself else prompt


def _content(token: Any) -> str:
    """A special token, which may be written as text or as an object."""
    return str(token["content"] if isinstance(token, dict) else token or "")


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)
