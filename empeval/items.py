"""Items out of what people write: texts, dicts, rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from empeval.errors import DataError
from empeval.records import Item, Message


def item_of(one: Any, number: int) -> Item:
    """An item out of an ``Item``, a text or a dict of its fields.

    Args:
        one: see ``task``.
        number: from 1; its id where it has none.

    Raises:
        DataError: it is nothing of the kind.
    """
    if isinstance(one, Item):
        return one
    fields = {"prompt": one} if isinstance(one, str) else one
    if not isinstance(fields, Mapping):
        raise DataError(f"item {number} is a {type(one).__name__}; give an Item, a text or a dict.")
    given = dict(fields)
    identifier = str(given.pop("id", number))
    if "prompt" in given and "messages" in given:
        raise DataError(f"item {identifier} has both 'prompt' and 'messages'; give one of them.")
    if "prompt" in given:
        given["messages"] = (Message("user", given.pop("prompt")),)
    given = {"id": identifier, "cluster": identifier, **given}
    unknown = sorted(set(given) - set(Item.__struct_fields__))
    if unknown:
        raise DataError(
            f"item {identifier} has the unknown field {unknown[0]!r}; an item has prompt, "
            f"{', '.join(Item.__struct_fields__)}."
        )
    if given.get("script"):
        given.setdefault("messages", ())
    if "messages" not in given:
        raise DataError(f"item {identifier} asks nothing; give 'prompt' or 'messages'.")
    try:
        return msgspec.convert({**given, "messages": msgspec.to_builtins(given["messages"])}, Item)
    except (msgspec.ValidationError, TypeError) as error:
        raise DataError(f"item {identifier}: {error}.") from error
