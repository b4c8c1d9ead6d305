"""Messages of every program as ours: roles, content parts, tools' turns, a final answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from empeval.errors import DataError
from empeval.records import Message, Role

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
"""Of OpenAI's, ShareGPT's and Gemini's names of roles, the ones that speak."""

TOOLS = ("tool", "function", "tool_call", "function_call", "tool_response", "function_response",
         "observation", "ipython")  # fmt: skip
"""Roles of what is said between a model and a tool. Neither speaker nor listener hears it."""

_TEXTS = ("text", "input_text", "output_text")
_THOUGHTS = ("reasoning", "thinking")


@dataclass(frozen=True)
class Content:
    """The text of a message. ``left_out`` counts parts that are no text."""

    text: str | None
    reasoning: str | None = None
    left_out: int = 0


@dataclass(frozen=True)
class Turns:
    """A conversation. ``answer`` is its last turn where that is the model's."""

    messages: tuple[Message, ...]
    answer: Content | None
    left_out: int


def content_of(value: Any, where: str) -> Content:
    """The text of a ``content``: text, a list of parts, or ``null``.

    Raises:
        DataError: it is something else.
    """
    if value is None or isinstance(value, str):
        return Content(value)
    if not isinstance(value, list):
        raise DataError(f"{where}: a message's content must be text or a list of parts.")
    texts: list[str] = []
    thoughts: list[str] = []
    left = 0
    for part in value:
        if isinstance(part, str):
            texts.append(part)
            continue
        kind = part.get("type") if isinstance(part, dict) else None
        held = part.get("text", part.get(str(kind))) if isinstance(part, dict) else None
        if kind in (None, "refusal", *_TEXTS) and isinstance(held, str):
            texts.append(held)
        elif kind in _THOUGHTS and isinstance(held, str):
            thoughts.append(held)
        elif isinstance(kind, str):
            left += 1
        else:
            raise DataError(f"{where}: a part of a message's content must have a 'type'.")
    return Content("".join(texts) if texts else None, "\n\n".join(thoughts) or None, left)


def reasoning_of(message: dict[str, Any], content: Content) -> str | None:
    """What the model thought, from its content's parts or the fields that servers give it."""
    fields = (message.get(name) for name in ("reasoning_content", "reasoning"))
    return content.reasoning or next((f for f in fields if isinstance(f, str) and f), None)


def turns_of(value: Any, where: str) -> Turns:
    """A list of messages as a conversation.

    ``developer`` is read as ``system``. Turns of tools, and an assistant's turn that only calls
    one, are left out and counted.

    Raises:
        DataError: it is no list of messages.
    """
    if not (isinstance(value, list) and value):
        raise DataError(f"{where}: 'messages' must be a list, not empty.")
    messages: list[Message] = []
    answer: Content | None = None
    left = 0
    for number, message in enumerate(value, 1):
        role, content = _message(message, where)
        left += content.left_out
        if role is None or (content.text is None and _calls(message)):
            left += 1
            continue
        answer = None
        if role == "assistant" and number == len(value):
            answer = Content(content.text, reasoning_of(message, content))
        elif content.text is None:
            raise DataError(f"{where}: message {number} has no text.")
        else:
            messages.append(Message(role, content.text))
    return Turns(tuple(messages), answer, left)


def alternating(texts: Any, where: str) -> tuple[Message, ...]:
    """Texts that alternate between speaker and listener and end with the speaker.

    Raises:
        DataError: they are no list of texts, or their number is even.
    """
    if not (isinstance(texts, list) and texts and all(isinstance(t, str) for t in texts)):
        raise DataError(f"{where}: 'context' must be a list of texts, not empty.")
    if len(texts) % 2 == 0:
        raise DataError(
            f"{where}: 'context' has {len(texts)} turns; it must end with the speaker, so their "
            "number is odd."
        )
    return tuple(Message("assistant" if i % 2 else "user", t) for i, t in enumerate(texts))


def _message(message: Any, where: str) -> tuple[Role | None, Content]:
    if not isinstance(message, dict):
        raise DataError(f"{where}: a message must be an object with 'role' and 'content'.")
    name = message.get("role", message.get("from"))
    if name in TOOLS:
        return None, Content(None)
    role = ROLES.get(name.casefold()) if isinstance(name, str) else None
    if role is None or not ("content" in message or "value" in message or _calls(message)):
        raise DataError(
            f"{where}: a message must have a 'role' (system, developer, user, assistant or tool) "
            "and a 'content'."
        )
    return role, content_of(message.get("content", message.get("value")), where)


def _calls(message: Any) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))
