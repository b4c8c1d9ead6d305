"""How messages become the text that a model sees: its chat template, or a plain format."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empeval.errors import UsageError
from empeval.records import Message

PLAIN_STOP = ("\nUser:",)


class Prompter:
    """Formats conversations.

    The chat template is the model's own unless the user says otherwise. The plain format, for
    models without one: a single user message stands as it is; a longer conversation has a line
    ``User: ...`` or ``Assistant: ...`` a turn after the system message, and ends with
    ``Assistant:``; the answer then ends at the next ``User:``.

    Args:
        tokenizer: a transformers tokenizer.
        choice: ``auto`` (the model's template if it has one), ``model`` (insist on it),
            ``plain``, or the path of a Jinja file.

    Raises:
        UsageError: no template though one is insisted on, or one that does not work.
    """

    def __init__(self, tokenizer: Any, choice: str = "auto") -> None:
        self.tokenizer = tokenizer
        self.template: str | None = None
        if choice not in ("auto", "model", "plain"):
            path = Path(choice).expanduser()
            if not path.is_file():
                raise UsageError(
                    f"chat_template is '{choice}'; it takes auto, model, plain or the path of a "
                    "Jinja file."
                )
            self.template = path.read_text(encoding="utf-8")
        elif choice != "plain":
            self.template = _own_template(tokenizer)
            if self.template is None and choice == "model":
                raise UsageError(
                    "The model has no chat template. Leave chat_template=model out to use the "
                    "plain format, or give a Jinja file: --model-args chat_template=FILE"
                )
        self.folds_system = self.template is not None and not self._try_template()

    @property
    def details(self) -> dict[str, Any]:
        """What the run folder records about the format."""
        if self.template is None:
            return {"prompt_format": "plain-1"}
        digest = hashlib.sha256(self.template.encode()).hexdigest()[:16]
        details: dict[str, Any] = {"prompt_format": f"chat template sha256:{digest}"}
        if self.folds_system:
            details["system_message"] = "put before the first user message"
        return details

    def text(self, messages: Sequence[Message]) -> str:
        """The prompt of a conversation."""
        if self.template is None:
            return _plain(messages)
        return self._render(_folded(messages) if self.folds_system else messages)

    def tokens(self, text: str) -> list[int]:
        """Token ids of a prompt; a template writes its special tokens itself."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=self.template is None).input_ids
        return ids

    def stops(self, messages: Sequence[Message]) -> tuple[str, ...]:
        """Strings that end an answer because of the format."""
        return PLAIN_STOP if self.template is None and len(messages) > 1 else ()

    def keeps_space(self, messages: Sequence[Message]) -> bool:
        """Whether the answer is a raw continuation, kept to the letter."""
        return self.template is None and len(messages) == 1

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": m.role, "content": m.content} for m in messages]
        text: str = self.tokenizer.apply_chat_template(
            turns, chat_template=self.template, tokenize=False, add_generation_prompt=True
        )
        return text

    def _try_template(self) -> bool:
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
                f"The chat template does not work: {error}. Use --model-args "
                "chat_template=plain or give a Jinja file."
            ) from error
        try:
            system = Message("system", "empeval-system-probe")
            return system.content in self._render([system, user])
        except Exception:  # templates refuse a system role by raising
            return False


def _own_template(tokenizer: Any) -> str | None:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template or None


def _plain(messages: Sequence[Message]) -> str:
    if len(messages) == 1:
        return messages[0].content
    lines = [
        m.content + "\n" if m.role == "system" else f"{m.role.capitalize()}: {m.content}"
        for m in messages
    ]
    return "\n".join([*lines, "Assistant:"])


def _folded(messages: Sequence[Message]) -> list[Message]:
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    rest = [m for m in messages if m.role != "system"]
    if system and rest and rest[0].role == "user":
        rest[0] = Message("user", f"{system}\n\n{rest[0].content}")
    elif system:
        rest.insert(0, Message("user", system))
    return rest
