"""A user's own file of rated replies: one row a rating."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from empeval.auditing.rated import Dimension, RatedReply, RatedSet, Rating
from empeval.errors import DataError, UnknownNameError
from empeval.tables import Row

REQUIRED = ("context", "response", "rating")
OPTIONAL = ("rater", "dialogue", "system")
COLUMNS = (*REQUIRED, *OPTIONAL)

DEFAULT_DIMENSION = "empathy"
"""What a column called ``rating`` is taken to rate."""


def check_map(columns: Mapping[str, str]) -> None:
    """Make sure that ``--map`` names columns that there are here.

    Raises:
        UsageError: it does not.
    """
    for name in columns:
        if name not in COLUMNS:
            said = f"--map: there is no column '{name}' to map."
            raise UnknownNameError(said, kind="column", name=name, known=COLUMNS)


def fits(row: Row, columns: Mapping[str, str]) -> bool:
    """Whether a row has the three columns that are needed, by their mapped names."""
    return all(columns.get(name, name) in row for name in REQUIRED)


def read_own(
    rows: Sequence[Row], name: str, where: str, columns: Mapping[str, str] | None = None
) -> RatedSet:
    """A rated set of rows with a context, a response and a rating.

    Rows of one context and response by several raters are one reply. Rows that cannot be used
    (no text, a rating that is no finite number), and rows that repeat another, are left out; the
    set's notes count them. The scale runs from the lowest to the highest rating that occurs.

    Args:
        rows: of the file.
        name: of the set.
        where: how errors call the file.
        columns: our name of a column -> the file's.

    Raises:
        DataError: no row can be used, or a context is neither text nor a list of texts.
    """
    columns = dict(columns or {})
    names = {one: columns.get(one, one) for one in COLUMNS}
    dimension = DEFAULT_DIMENSION if names["rating"] == "rating" else names["rating"]
    has_raters = names["rater"] in rows[0]
    left: Counter[str] = Counter()
    said: dict[tuple[tuple[str, ...], str], dict[str, Any]] = {}
    for number, row in enumerate(rows, 1):
        at = f"{where}, row {number}"
        turns = context_of(row.get(names["context"]), at)
        reply = row.get(names["response"])
        if not isinstance(reply, str) or not reply.strip() or not turns:
            left["have no context or no response"] += 1
            continue
        rating = _number(row.get(names["rating"]))
        if rating is None:
            left["have no finite number as their rating"] += 1
            continue
        rater = _label(row.get(names["rater"]))
        dialogue, system = (_label(row.get(names[key])) for key in ("dialogue", "system"))
        one = said.setdefault(
            (turns, reply.strip()), {"ratings": {}, "dialogue": dialogue, "system": system}
        )
        # who rated a reply twice counts once; without raters, the same row twice does
        who = rater if has_raters else (json.dumps(row, sort_keys=True, default=str))
        if who in one["ratings"]:
            left["repeat another row and count once"] += 1
            continue
        one["ratings"][who] = Rating(rating, rater)
    if not said:
        why = "; ".join(f"{count} {what}" for what, count in left.items())
        raise DataError(f"{where} has no row that can be used: of {len(rows)} rows, {why}.")
    replies = tuple(
        RatedReply(
            id=digest("\n".join((*turns, reply))),
            dialogue=f"{name} {one['dialogue'] or digest(chr(10).join(turns))}",
            context=turns,
            reply=reply,
            ratings={dimension: tuple(one["ratings"].values())},
            system=one["system"],
        )
        for (turns, reply), one in said.items()
    )
    values = [r.value for reply in replies for r in reply.ratings[dimension]]
    notes = [f"{count} of {len(rows)} rows {what}" for what, count in left.items()]
    unknown = [column for column in rows[0] if column not in names.values()]
    if unknown:
        notes.append(f"columns not used: {', '.join(map(str, unknown[:8]))}")
    return RatedSet(
        name=name,
        replies=replies,
        dimensions=(
            Dimension(
                name=dimension,
                low=min(values),
                high=max(values),
                whole=all(value.is_integer() for value in values),
            ),
        ),
        source=f"the user's file {where}",
        notes=tuple(notes),
    )


def context_of(value: Any, at: str) -> tuple[str, ...]:
    """The turns of a context: a text, a list of texts, or a list in JSON (for CSV).

    Raises:
        DataError: it is something else.
    """
    if value is None:
        return ()
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]
    turns = [value] if isinstance(value, str) else value
    if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
        raise DataError(f"{at}: the context must be a text or a list of texts.")
    return tuple(turn.strip() for turn in turns if turn.strip())


def digest(text: str) -> str:
    """A short name of a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _label(value: Any) -> str | None:
    text = "" if value is None else str(value).strip()
    return text or None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(str(value).strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None
