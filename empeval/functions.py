"""Plain functions as components: ``@empeval.scorer`` and ``@empeval.task``.

What the decorators make are classes like any other, so an entry point, a file reference and
``empeval.run`` take them. The function itself stays there as ``NAME.function``.
"""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from empeval.cards import ScorerCard, TaskCard, ValueCard
from empeval.errors import UsageError
from empeval.interfaces import Scorer, Task
from empeval.items import item_of
from empeval.records import Item, Sample, Sampling, Score
from empeval.references import anchored, digest

Scoring = Callable[..., Any]
Asking = Callable[..., Iterable[Any]]


def scorer(
    function: Scoring | None = None,
    *,
    version: str = "1",
    summary: str = "",
    unit: str = "points",
    low: float | None = None,
    high: float | None = None,
    higher_is_better: bool | None = None,
    values: Sequence[ValueCard] = (),
    needs: Sequence[str] = (),
    batch: bool = False,
) -> Any:
    """Make a scorer of a function that takes a ``Sample`` and returns what it is worth.

    ::

        @empeval.scorer(unit="count", low=0)
        def thanks(sample):
            "How often a reply says thank you."
            return sample.text.lower().count("thank")

    The function returns a number or a truth value; a dict of numbers where there are several
    ``values``; a ``Score``; or ``None`` where there is nothing to score (status ``unparsed``).
    Its keyword parameters are options: ``thanks(word="sorry")`` in Python, ``thanks:word=sorry``
    on the command line.

    Args:
        function: given by Python when the decorator is used without parentheses.
        version: raise it when the same sample may get another score.
        summary: one sentence; by default the first line of the function's docstring.
        unit: of the one value, which is called like the function; see ``ValueCard``.
        low: the least that it can be.
        high: the most that it can be.
        higher_is_better: ``None`` when it only describes.
        values: in their place, the cards of several values.
        needs: what it needs of a task; see ``TaskCard.provides``.
        batch: the function takes a list of samples and returns a list, in their order.

    Returns:
        A subclass of ``Scorer``.

    Raises:
        UsageError: the function takes no sample.
    """

    def made(function: Scoring) -> type[Scorer]:
        _check(function, positional=1, what="sample")
        name = function.__name__
        said = summary or _first_line(function) or name
        one = ValueCard(
            name=name,
            unit=unit,
            summary=said,
            low=low,
            high=high,
            higher_is_better=higher_is_better,
        )
        body = {
            "card": ScorerCard(
                version=version, summary=said, values=tuple(values) or (one,), needs=tuple(needs)
            ),
            "function": staticmethod(function),
            "batch": batch,
            "__init__": _constructor(FunctionScorer, function),
            "__signature__": _signature(function, target=True),
            **_same_home(function),
        }
        return type(name, (FunctionScorer,), body)

    return made if function is None else made(function)


def task(
    function: Asking | None = None,
    *,
    version: str = "1",
    summary: str = "",
    license: str = "not stated",
    provides: Sequence[str] = ("reply",),
    scorers: Sequence[str] = (),
    sampling: Sampling | None = None,
    dataset: str | None = None,
    language: str = "en",
) -> Any:
    """Make a task of a function that returns or yields its items.

    ::

        @empeval.task(license="CC0-1.0", scorers=["politeness"])
        def small_talk():
            "Two openings of a talk."
            yield "I got the job!"
            yield {"id": "dog", "prompt": "My dog died.", "cluster": "pets"}

    An item is an ``Item``; a text, which is the user's only message; or a dict of an ``Item``'s
    fields with ``prompt`` (a text) in the place of ``messages`` if you like. Ids count from 1
    where there are none, and an item without ``cluster`` is a cluster of its own. The function's
    keyword parameters are options (``--task-args NAME.option=value``).

    Args:
        function: given by Python when the decorator is used without parentheses.
        version: raise it when an item or a rule changes.
        license: of the data.
        provides: what its items offer to scorers; see ``TaskCard.provides``.
        sampling: how to decode unless the user says otherwise.
        dataset: hub id, or where the rows come from.
        language: of the items.
        summary: by default the first line of the function's docstring.
        scorers: used when the user names none; a file is looked for beside the function's own.

    Returns:
        A subclass of ``Task``.

    Raises:
        UsageError: the function needs something that nobody gives it.
    """

    def made(function: Asking) -> type[Task]:
        _check(function, positional=0, what="")
        folder = Path(function.__code__.co_filename).parent
        name = function.__name__
        body = {
            "card": TaskCard(
                version=version,
                summary=summary or _first_line(function) or name,
                provides=tuple(provides),
                scorers=tuple(anchored(one, folder) for one in scorers),
                license=license,
                sampling=sampling or Sampling(),
                dataset=dataset,
                language=language,
            ),
            "function": staticmethod(function),
            "__init__": _constructor(FunctionTask, function),
            "__signature__": _signature(function, target=False),
            **_same_home(function),
        }
        return type(name, (FunctionTask,), body)

    return made if function is None else made(function)


class FunctionScorer(Scorer):
    """A function as a scorer; see ``scorer``."""

    function: Scoring
    batch: bool

    def __init__(self, target: str | None = None, **options: Any) -> None:
        """Take options by name, or written as ``word=sorry,count=2`` in the target.

        Raises:
            UsageError: an option that the function does not have, or a value that it cannot take.
        """
        given = {**_pairs(target, type(self).__name__), **options}
        self.options = converted(self.function, given, type(self).__name__)
        said = ",".join(f"{name}={value}" for name, value in self.options.items())
        self.target = said or None

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """What the function says of each sample."""
        if self.batch:
            said = list(self.function(list(samples), **self.options))
            if len(said) != len(samples):
                raise ValueError(f"it returned {len(said)} results for {len(samples)} samples")
        else:
            said = [self.function(sample, **self.options) for sample in samples]
        return [self._score(sample.id, one) for sample, one in zip(samples, said, strict=True)]

    def fingerprint(self) -> str | None:
        """The options that were set."""
        return f"options:{digest(self.target.encode())}" if self.target else None

    def _score(self, identifier: str, said: Any) -> Score:
        if isinstance(said, Score):
            return said
        if said is None:
            return Score(identifier, "unparsed", note="the function found nothing to score")
        if isinstance(said, Mapping):
            return Score(identifier, values={str(name): float(v) for name, v in said.items()})
        if len(self.card.values) != 1:
            names = ", ".join(value.name for value in self.card.values)
            raise TypeError(f"it returned {said!r:.40}; several values ({names}) go in a dict")
        number = float(said)
        if math.isnan(number):
            raise ValueError("it returned NaN; return None where there is nothing to score")
        return Score(identifier, values={self.card.values[0].name: number})


class FunctionTask(Task):
    """A function as a task; see ``task``."""

    function: Asking

    def __init__(self, **options: Any) -> None:
        """Remember the options.

        Raises:
            UsageError: one that the function does not have, or a value that it cannot take.
        """
        self.options = converted(self.function, options, type(self).__name__)

    def items(self) -> Iterator[Item]:
        """What the function yields, as items."""
        for number, one in enumerate(self.function(**self.options), 1):
            yield item_of(one, number)


def converted(function: Callable[..., Any], given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Options of a function, each as its annotation or its default's type asks for.

    Raises:
        UsageError: an unknown one, or a value that does not fit.
    """
    known = options_of(function)
    made: dict[str, Any] = {}
    for option, value in given.items():
        if option not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes no options"
            raise UsageError(f"Unknown option '{option}' of {name}; {takes}.")
        try:
            text = isinstance(value, str)
            made[option] = msgspec.convert(value, known[option], strict=not text)
        except (msgspec.ValidationError, TypeError) as error:
            raise UsageError(f"Option '{option}' of {name}: {error}.") from error
    return made


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The keyword parameters of a function with their types."""
    hints = typing.get_type_hints(function)
    return {
        p.name: hints.get(p.name, type(p.default) if p.default is not None else Any)
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.default is not p.empty
    }


def _pairs(target: str | None, name: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, (target or "").split(",")):
        option, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{name}: ':{target}' was given; write its options as :option=value.")
        pairs[option.strip()] = value.strip()
    return pairs


def _check(function: Callable[..., Any], *, positional: int, what: str) -> None:
    """Refuse a function that cannot be called with so many arguments and defaults."""
    if not inspect.isfunction(function):
        raise UsageError(f"{function!r:.60} is no plain function; subclass Scorer or Task instead.")
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if len(needed) != positional:
        takes = f"one argument, the {what}" if positional else "no argument without a default"
        raise UsageError(f"{function.__name__}({', '.join(needed)}) must take {takes}.")


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _constructor(base: type[Any], function: Callable[..., Any]) -> Callable[..., None]:
    """The base's ``__init__`` with the function's options as its annotations."""

    def __init__(self: Any, *arguments: Any, **options: Any) -> None:  # noqa: N807
        base.__init__(self, *arguments, **options)

    __init__.__annotations__ = dict(options_of(function))
    return __init__


def _signature(function: Callable[..., Any], *, target: bool) -> inspect.Signature:
    """How the class is called: perhaps with a target, and with the function's options."""
    kind = inspect.Parameter
    own = [
        p.replace(kind=kind.KEYWORD_ONLY)
        for p in inspect.signature(function).parameters.values()
        if p.name in options_of(function)
    ]
    first = [kind("target", kind.POSITIONAL_OR_KEYWORD, default=None)] if target else []
    return inspect.Signature([*first, *own])


def _same_home(function: Callable[..., Any]) -> dict[str, Any]:
    """What makes a class look as if it stood where the function does."""
    return {
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__doc__": function.__doc__,
    }
