"""How messages become the text that a model sees: its chat template, or a plain format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from empeval.errors import UsageError
from empeval.records import Message

PLAIN_STOP = ("\nUser:",)
TEMPLATE_DATE = datetime(2024, 7, 26)
"""What templates that write today's date are told: a question must read the same tomorrow."""

_WAY_OUT = "Use --model-args chat_template=plain or give a Jinja file."
_ENDING = 200
"""Characters at the end of a prompt in which an opened reasoning tag is looked for."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as the model gets it.

    Attributes:
        tokens: token ids; none when the conversation is empty.
        stop: strings that end an answer because of the format.
        ending: the last characters of a chat template's text; a reasoning tag that the template
            has opened stands there, and the answer goes on behind it.
        raw: whether the answer is a plain continuation, kept to the letter.
    """

    tokens: list[int]
    stop: tuple[str, ...] = ()
    ending: str = ""
    raw: bool = False


class Prompter:
    """Formats conversations.

    The chat template is the model's own unless the user says otherwise. The plain format, for
    models without one: a single message stands as it is; a longer conversation has a line
    ``User: ...`` or ``Assistant: ...`` a turn after the system message, and ends with
    ``Assistant:``; the answer then ends at the next ``User:``.

    Args:
        tokenizer: a transformers tokenizer.
        choice: ``auto`` (the model's template if it has one), ``model`` (insist on it),
            ``plain``, the name of one of several templates that the model has, or the path of a
            Jinja file.

    Attributes:
        fallback: a warning, if the plain format is used although nobody asked for it.

    Raises:
        UsageError: no template though one is insisted on, or one that does not work.
    """

    def __init__(self, tokenizer: Any, choice: str = "auto") -> None:
        self.tokenizer = tokenizer
        named = _named_templates(tokenizer)
        self.template: str | None = None
        self.fallback: str | None = None
        if choice in named:
            self.template = named[choice]
        elif choice not in ("auto", "model", "plain"):
            self.template = _read_template(choice, named)
        elif choice != "plain":
            self.template = named.get("default")
            if self.template is None:
                self.fallback = _without_template(named)
                if choice == "model":
                    raise UsageError(self.fallback)
        self.folds_system = self.template is not None and not self._takes_system()

    @property
    def details(self) -> dict[str, Any]:
        """What the run folder records about the format."""
        if self.template is None:
            return {"prompt_format": "plain-1"}
        digest = hashlib.sha256(self.template.encode()).hexdigest()[:16]
        details: dict[str, Any] = {"prompt_format": f"chat template sha256:{digest}"}
        if self.folds_system:
            details["system_message"] = "put before the first user message"
        if "strftime_now" in self.template:
            details["template_date"] = TEMPLATE_DATE.date().isoformat()
        return details

    def text(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation.

        Raises:
            UsageError: the chat template refuses this conversation.
        """
        if self.template is None:
            return plain_text(messages)
        try:
            return self._render(_folded(messages) if self.folds_system else messages)
        except Exception as error:  # templates raise whatever they like
            raise UsageError(
                f"The chat template refuses a conversation: {_reason(error)}. {_WAY_OUT}"
            ) from error

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """The tokens of a conversation and how its answer is to be taken.

        Raises:
            UsageError: the chat template refuses this conversation.
        """
        text = self.text(messages)
        tokens = self.tokens(text)
        if self.template is None:
            single = len(messages) == 1
            return Prompt(tokens=tokens, stop=() if single else PLAIN_STOP, raw=single)
        return Prompt(tokens=tokens, ending=text[-_ENDING:])

    def opening(self, messages: Sequence[Message], lead: str) -> str:
        """The text of a conversation with the beginning of the answer to it.

        Raises:
            UsageError: the chat template refuses this conversation.
        """
        if self.template is None:
            return plain_opening(messages, lead)
        return self.text(messages) + lead

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text in this format."""
        if self.template is not None:  # a template writes its special tokens itself
            written: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
            return written
        ids: list[int] = self.tokenizer(text).input_ids
        bare: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        if bare and len(ids) > len(bare) and ids[-1] != bare[-1]:
            ids = ids[:-1]  # an end-of-text token of the tokenizer's: nothing would follow it
        return ids if bare else []

    def _render(self, messages: Sequence[Message]) -> str:
        text: str = self.tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in messages],
            chat_template=_with_fixed_date(str(self.template)),
            tokenize=False,
            add_generation_prompt=True,
        )
        return text

    def _takes_system(self) -> bool:
        """Whether the template takes a system message.

        Raises:
            UsageError: it does not even take a user's.
        """
        user = Message("user", "empeval-user-probe")
        try:
            if user.content not in self._render([user]):
                raise ValueError("it leaves the user's message out")
        except Exception as error:  # templates raise whatever they like
            raise UsageError(
                f"The chat template does not work: {_reason(error)}. {_WAY_OUT}"
            ) from error
        try:
            system = Message("system", "empeval-system-probe")
            return system.content in self._render([system, user])
        except Exception:  # templates refuse a system role by raising
            return False


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _read_template(name: str, named: Iterable[str]) -> str:
    path = Path(name).expanduser()
    if not path.is_file():
        choices = ", ".join(["auto", "model", "plain", *sorted({*named} - {"default"})])
        raise UsageError(
            f"chat_template is '{name}'; it takes {choices} or the path of a Jinja file."
        )
    return read_template(path)


def read_template(path: Path) -> str:
    """A chat template in a file.

    Raises:
        UsageError: it cannot be read as text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The chat template {path} cannot be read: {error}.") from error


def _with_fixed_date(template: str) -> str:
    """The template, with a macro that hides the function for today's date from it."""
    if "strftime_now" not in template:
        return template
    codes = ("-d", *"aAbBdHIjmMpSyY")
    replaced = "".join(f"|replace('%{c}', '{_fixed(c)}')" for c in codes)
    return "{% macro strftime_now(format) %}{{ format" + replaced + " }}{% endmacro %}\n" + template


def _fixed(code: str) -> str:
    return str(TEMPLATE_DATE.day) if code == "-d" else TEMPLATE_DATE.strftime(f"%{code}")


def _named_templates(tokenizer: Any) -> dict[str, str]:
    """The chat templates that come with a tokenizer; a single one is the ``default``."""
    template = tokenizer.chat_template
    found = template if isinstance(template, dict) else {"default": template}
    return {str(name): text for name, text in found.items() if text}


def _without_template(named: Iterable[str]) -> str:
    """That there is no template to use, and what to do."""
    if names := sorted(named):
        return (
            f"The model has several chat templates ({', '.join(names)}) and none of them is the "
            f"default; without a choice the plain format is used. Pick one: --model-args "
            f"chat_template={names[0]}"
        )
    return (
        "The model has no chat template; without one the plain format is used, which chat models "
        "were not trained on. Say chat_template=plain if that is meant, or give a Jinja file: "
        "--model-args chat_template=FILE"
    )


def plain_text(messages: Sequence[Message]) -> str:
    """A conversation in the plain format (see ``Prompter``), for which no template is needed."""
    if len(messages) == 1:
        return messages[0].content
    lines = [
        m.content + "\n" if m.role == "system" else f"{m.role.capitalize()}: {m.content}"
        for m in messages
    ]
    return "\n".join([*lines, "Assistant:"])


def plain_opening(messages: Sequence[Message], lead: str) -> str:
    """A conversation in the plain format with the beginning of the answer to it."""
    text = plain_text(messages)
    if lead and not text[-1:].isspace():
        text += "\n" if len(messages) == 1 else " "
    return text + lead


def _folded(messages: Sequence[Message]) -> list[Message]:
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    rest = [m for m in messages if m.role != "system"]
    if system and rest and rest[0].role == "user":
        rest[0] = Message("user", f"{system}\n\n{rest[0].content}")
    elif system:
        rest.insert(0, Message("user", system))
    return rest
