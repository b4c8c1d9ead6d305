"""Which item an answer belongs to: by the text of the question, else by an id that is the item's.

An index in another program's data set (lm-eval's ``doc_id`` from 0, Inspect's numbers from 1) is
never taken for an id: whether the two orders are the same, only the text can tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from empeval.answers.records import SavedAnswer, SavedAnswers
from empeval.answers.wording import Wordings
from empeval.errors import DataError, nearest, some
from empeval.records import Item
from empeval.scripts import dialogue_of, turn_id

Key = tuple[str, str]
"""Task and id of an item."""


@dataclass
class Joined:
    """Items and their answers.

    Attributes:
        answers: (task, id) -> the answer; items without one are not in it.
        doubled: names of items that several answers belong to; the last counts.
        unknown: what answers to no item that was asked call their question.
        by_text: how many were joined by their question's text.
        renamed: items whose answer bears another item's id.
        alike: items whose question another item asks in the same words, so that either may have
            been answered; such answers are taken in the order of the file.
        reworded: items joined by id, although the question in the file has another wording.
    """

    answers: dict[Key, SavedAnswer] = field(default_factory=dict)
    doubled: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    by_text: int = 0
    renamed: list[str] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)
    reworded: list[str] = field(default_factory=list)


def join(saved: SavedAnswers, questions: Mapping[str, Sequence[Item]]) -> Joined:
    """Find each item's answer.

    An answer that names a task goes before one that names none; of several answers to one item
    the last counts. Replies in a dialogue that have no line of their own are taken out of what
    stands before a later one.

    Args:
        saved: the answers.
        questions: items by task.
    """
    joined = Joined()
    ids = {(task, item.id) for task, items in questions.items() for item in items}
    wordings = {task: Wordings(items) for task, items in questions.items()}
    counts: Counter[tuple[Key, bool]] = Counter()
    order = sorted(saved.answers, key=lambda answer: answer.task is not None)  # stable
    for answer in order:
        tasks = [task for task in questions if answer.task in (None, task)]
        keys = [key for task in tasks for key in _items_of(answer, task, wordings, ids, joined)]
        if not keys:
            joined.unknown.append(_name(answer))
        for key in keys:
            counts[key, answer.task is not None] += 1
            joined.answers[key] = answer
    for task, items in questions.items():
        _add_earlier(task, items, joined)
    told = {key: named for (key, named), n in counts.items() if n > 1}
    joined.doubled = [f"{task}/{i}" if named else i for (task, i), named in told.items()]
    return joined


def _add_earlier(task: str, items: Sequence[Item], joined: Joined) -> None:
    """Give turns of dialogues the replies that stand in the question of a later turn's answer."""
    for item in sorted((i for i in items if i.turn > 1), key=lambda i: -i.turn):
        answer = joined.answers.get((task, item.id))
        said = answer.messages[1 - 2 * item.turn :] if answer is not None else ()
        if answer is None or [m.role for m in said[1::2]] != ["assistant"] * (item.turn - 1):
            continue
        for number, message in enumerate(said[1::2], 1):
            earlier = SavedAnswer(where=answer.where, text=message.content)
            joined.answers.setdefault((task, turn_id(dialogue_of(item), number)), earlier)


def _items_of(
    answer: SavedAnswer, task: str, wordings: Mapping[str, Wordings], ids: set[Key], joined: Joined
) -> list[Key]:
    """The item of a task that an answer belongs to, if it has one."""
    named = (task, answer.id) if answer.own_id and answer.id is not None else None
    if named not in ids:
        named = None
    alike = wordings[task].find(answer.messages) if answer.messages else []
    if not alike:
        if named is not None and answer.messages:
            joined.reworded.append(named[1])
        return [] if named is None else [named]
    joined.by_text += 1
    if named is not None and named[1] in alike:
        return [named]
    if named is not None:
        joined.renamed.append(named[1])
    free = [i for i in alike if (task, i) not in joined.answers]
    chosen = (free or alike)[0]
    if len(alike) > 1:
        joined.alike.append(chosen)
    return [(task, chosen)]


def check_joined(
    saved: SavedAnswers, joined: Joined, questions: Mapping[str, Sequence[Item]]
) -> None:
    """Refuse a file whose answers belong to nothing, or which counts its ids from 0.

    Raises:
        DataError: saying why, and what to do.
    """
    asked = ", ".join(questions)
    names = {item.id for items in questions.values() for item in items}
    if not joined.by_text and _counts_from_zero(saved.answers, names):
        raise DataError(
            f"{saved.path} counts its ids from 0, the questions of {asked} theirs from 1, and no "
            "question stands beside the answers to tell which is which. If each id is one too "
            "small, say so with --map id=id+1; otherwise give the answers the items' own ids "
            "('empeval items' lists them)."
        )
    if joined.answers:
        return
    tasks = sorted({a.task for a in saved.answers if a.task is not None})
    if tasks and all(a.task is not None for a in saved.answers):
        close = nearest(tasks[0], questions)
        raise DataError(
            f"{saved.path} says that its answers are to {some([repr(t) for t in tasks])}, and "
            f"what is asked is {asked}.{close} If the questions are the same, leave the task "
            "unread with --map task= (an empty name)."
        )
    if all(not a.own_id for a in saved.answers):
        first = next((a for a in saved.answers if a.messages), None)
        why = (
            f"Its first question begins {first.messages[-1].content[:60]!r}"
            if first is not None
            else "It does not repeat the questions"
        )
        raise DataError(
            f"{saved.path} ({saved.form}) answers none of the questions of {asked}, or they are "
            f"worded otherwise. {why}. Its ids are no items' ids, so nothing is joined by them."
        )
    raise DataError(
        f"{saved.path} answers none of the questions of {asked}. Its ids are "
        f"{some([a.id or 'none' for a in saved.answers])}; the items' ids are "
        f"{some(sorted(names))}."
    )


def _counts_from_zero(answers: Sequence[SavedAnswer], names: set[str]) -> bool:
    """Whether own ids are 0, 1, 2 ... where the items' begin with 1."""
    own = {a.id for a in answers if a.own_id and a.id is not None}
    from_zero = own == {str(number) for number in range(len(own))}
    return len(own) > 1 and from_zero and "0" not in names and "1" in names


def _name(answer: SavedAnswer) -> str:
    """The answer's own id, or where it stands in the file."""
    own = answer.id is not None and answer.own_id
    name = str(answer.id) if own else answer.where.rpartition(", ")[2]
    return name if answer.task is None else f"{answer.task}/{name}"
