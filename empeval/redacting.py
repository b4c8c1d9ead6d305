"""Keys, tokens and passwords stay out of every file and message of a run.

``redact`` goes over text, ``redact_values`` over what a manifest holds. Text is searched for what
looks like a secret: the user in a URI, a value after a name such as ``api_key``, tokens of known
shapes, and the very values that this process was given under such names, as an argument or in
its environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"
"""What stands where a secret was."""

SHORTEST = 6
"""Characters of a value that is looked for by itself; a shorter one is in many a word."""

_NAME = (
    r"(?:[a-z0-9]+[_-])*"
    r"(?:(?:api|access|secret|private|auth|subscription|account|signing)[_-]?key(?:[_-]id)?"
    r"|(?<!pad_)(?<!eos_)(?<!bos_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!mask_)(?<!stop_)(?<!image_)token"
    r"|secret|client[_-]secret|password|passwd|passphrase|pwd|credentials?|authorization"
    r"|bearer|signature)"
)
_IS_NAME = re.compile(rf"-*{_NAME}\Z", re.IGNORECASE)
_USER = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/?#'\"<>]+)@", re.IGNORECASE)
_HEADER = re.compile(r"\b(?P<kind>bearer|basic)\s+(?P<value>[A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE)
_PAIR = re.compile(
    rf"(?P<name>(?<![A-Za-z0-9]){_NAME}['\"]?\s*(?:=|:(?!//)|%3D)\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|(?:\\,|[^\s,;&'\"(){}\[\]])+)",
    re.IGNORECASE,
)
_SHAPES = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}"
    r"|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|AKIA[0-9A-Z]{16}|AIza[A-Za-z0-9_-]{30,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[\w-]*)"
)

_FOLDERS = ("PWD", "OLDPWD")
"""What shells call folders; a password by that name is an argument."""

_given: set[str] = set()


def is_secret(name: str) -> bool:
    """Whether what goes by this name (``api_key``, ``--token``) is nobody's business."""
    return _IS_NAME.match(name.strip()) is not None


def remember(arguments: Mapping[str, Any]) -> None:
    """Look for the secrets among these arguments in every text from now on."""
    for name, value in arguments.items():
        text = str(value)
        if is_secret(str(name)):
            _given.add(text)
        for match in _USER.finditer(text):
            user, colon, password = match["user"].partition(":")
            _given.add(password if colon else user)


def redact(text: str) -> str:
    """The text with ``***`` in the place of every secret; what has none stays as it is."""
    for value in sorted(_known(), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    text = _USER.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _SHAPES.sub(HIDDEN, text)
    text = _HEADER.sub(_hide_header, text)
    return _PAIR.sub(_hide_pair, text)


def redact_values(value: Any) -> Any:
    """Builtins (dicts, lists, texts, numbers) with every secret in them hidden."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if is_secret(str(key)) and held not in (None, "") else redact_values(held)
            for key, held in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_values(held) for held in value]
    return value


def redact_command(words: Iterable[str]) -> list[str]:
    """A command line; the word after an option such as ``--token`` is a secret, too."""
    hidden: list[str] = []
    before = ""
    for word in words:
        after_secret = before.startswith("-") and is_secret(before)
        hidden.append(HIDDEN if after_secret else redact(word))
        before = word
    return hidden


def without_user(text: str) -> str:
    """A redacted text without the trace of a URI's user, by which it would still differ."""
    return text.replace(f"{HIDDEN}@", "")


def _known() -> set[str]:
    set_up = {
        value for name, value in os.environ.items() if is_secret(name) and name not in _FOLDERS
    }
    return {value for value in _given | set_up if len(value) >= SHORTEST}


def _hide_header(match: re.Match[str]) -> str:
    plain_word = match["value"].isalpha() and match["value"].islower()
    return match[0] if plain_word else f"{match['kind']} {HIDDEN}"


def _hide_pair(match: re.Match[str]) -> str:
    value = match["value"]
    quote = value[0] if value[0] in "'\"" else ""
    if value.lower() in ("bearer", "basic") or HIDDEN in value:
        return match[0]
    return f"{match['name']}{quote}{HIDDEN}{quote}"
