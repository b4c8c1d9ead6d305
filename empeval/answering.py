"""Has a generator answer items: the one way in which its code is called for answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import Any, overload

import msgspec

from empeval.asked import resolve_generator
from empeval.contained import contained, each
from empeval.errors import EmpevalError
from empeval.filling import filling
from empeval.hooks import Hooks
from empeval.interfaces import Generator
from empeval.notices import warn
from empeval.reasoning import KNOWN, Tags, split_reasoning, table
from empeval.records import Item, Response, ResponseLine, Sampling
from empeval.registry import label_of
from empeval.runs import item_hash, response_of
from empeval.spending import Spending


def open_model(uri: str, arguments: Mapping[str, Any] | None = None) -> Generator:
    """The generator of a model URI, as ``--model`` takes it; no weights are loaded yet.

    Args:
        uri: ``scheme:target``.
        arguments: its options, as ``--model-args`` takes them.

    Raises:
        UsageError: no such scheme, or arguments that make no sense.
    """
    return resolve_generator(uri, dict(arguments or {}), Hooks().load_installed())


def ask(
    generator: Generator,
    items: Sequence[Item],
    sampling: Sampling,
    kept: MutableMapping[str, Response] | None = None,
    spending: Spending | None = None,
) -> dict[str, Response]:
    """Answers of a model to items of a caller's own, by id; thoughts are set apart.

    Args:
        generator: of ``open_model``.
        items: with different ids.
        sampling: how to decode.
        kept: answers so far, by id. Those are not asked again, and new ones are put there as they
            come, but for failures (status ``error``).
        spending: what may be spent; new answers are counted there.

    Raises:
        UsageError: the model cannot answer these, or gives no likelihoods for items with blanks.
        LimitReachedError: nothing is left to spend.
        EmpevalError: the generator left items unanswered, or nothing can go on.
    """
    kept = {} if kept is None else kept
    by_id = {item.id: item for item in items}
    found = {name: kept[name] for name in by_id if name in kept}
    if len(found) == len(by_id):
        return found
    owner = label_of(generator)
    generator.spending = spending
    answerer = filling(generator, items)
    with contained(owner):
        for text in generator.prepare({owner: items}):
            _warn_once(text)
        plan = [list(group) for group in answerer.plan(list(by_id.values()), sampling)]
    todo = unfinished_groups(plan, set(found))
    limits = spending or Spending()
    limits.require(_questions(by_id, found))
    for line in answers(answerer, todo, by_id, sampling, found, owner):
        found[line.id] = response = response_of(line)
        limits.add(response)
        if response.status != "error":
            kept[line.id] = response
        limits.check(response, charges=generator.charges)
        if not generator.charges and not limits.allows():
            break
    if len(found) < len(by_id):
        limits.require(_questions(by_id, found))
        raise EmpevalError(f"{owner} left {len(by_id) - len(found)} of {len(by_id)} unanswered.")
    return found


def _questions(asked: Collection[str], answered: Collection[str]) -> str:
    return f"{len(asked) - len(answered)} of {len(asked)} questions to a judge"


@lru_cache(maxsize=256)
def _warn_once(text: str) -> None:
    """A scorer asks chunk by chunk; what is so of the model is so of all of them."""
    warn(text)


def answers(
    generator: Generator,
    todo: Sequence[Item],
    by_id: Mapping[str, Item],
    sampling: Sampling,
    done: Collection[str],
    what: str,
) -> Iterator[ResponseLine]:
    """What a generator answers, checked, as it comes.

    Args:
        generator: that answers.
        todo: what it is asked: whole groups.
        by_id: the items as they are kept, which may differ from what the model is shown.
        sampling: how to decode.
        done: ids that have an answer; one whose group is repeated for the sake of others keeps
            its first. May grow while answers come.
        what: how errors call the items.

    Raises:
        EmpevalError: it gives something else, or answers what was not asked.
    """
    owner = label_of(generator)
    tags = table(sampling.reasoning_tags)
    for response in each(owner, lambda: generator.generate(todo, sampling)):
        if not isinstance(response, Response):
            raise EmpevalError(f"{what}: {owner} gave a {type(response).__name__}, no Response.")
        if response.id in done:
            continue
        if response.id not in by_id:
            raise EmpevalError(f"{what}: {owner} answered '{response.id}', which was not asked.")
        yield finish(response, by_id[response.id], owner, tags)


def unfinished_groups(plan: Sequence[Sequence[Item]], done: set[str]) -> list[Item]:
    """The items of every group that still lacks an answer, in the plan's order."""
    return [item for group in plan if any(i.id not in done for i in group) for item in group]


def finish(
    response: Response, item: Item, owner: str = "the model", tags: Sequence[Tags] = KNOWN
) -> ResponseLine:
    """A response as it is kept: reasoning set apart, emptiness noticed, the item beside it.

    Args:
        response: of a generator, or out of a file.
        item: it answers.
        owner: how errors call who gave it.
        tags: what marks reasoning.

    Raises:
        EmpevalError: a field holds what the run folder cannot.
    """
    try:
        msgspec.convert(msgspec.to_builtins(response), Response)
    except (TypeError, msgspec.ValidationError) as error:
        raise EmpevalError(
            f"{item.task}: the answer of {owner} to '{item.id}' is no valid response: {error}."
        ) from error
    answer, reasoning, closed = split_reasoning(writable(response.response), tags)
    status, note = response.status, response.note
    if status in ("ok", "truncated") and not answer.strip():
        if reasoning is not None and not closed:
            status, note = "truncated", note or "cut off while reasoning"
        elif status == "ok":
            status = "empty"
    return ResponseLine(
        id=item.id,
        response=answer,
        status=status,
        item_hash=item_hash(item),
        item=item,
        reasoning=_joined(writable(response.reasoning), reasoning),
        prompt_tokens=response.prompt_tokens,
        completion_tokens=response.completion_tokens,
        seconds=None if response.seconds is None else round(response.seconds, 4),
        stop=writable(response.stop),
        note=writable(note),
        cached_tokens=response.cached_tokens,
        cost=response.cost,
        model=writable(response.model),
        likelihoods=response.likelihoods,
    )


def _joined(told: str | None, found: str | None) -> str | None:
    """What a generator told apart as reasoning, and what was found in its answer."""
    return found if told is None else "\n\n".join(part for part in (told, found) if part)


@overload
def writable(text: str) -> str: ...
@overload
def writable(text: None) -> None: ...
def writable(text: str | None) -> str | None:
    """Text in which what UTF-8 cannot hold (lone surrogates) is replaced by ``?``."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
