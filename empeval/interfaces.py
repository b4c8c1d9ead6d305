"""What a plugin author reads first: Task, Generator and Scorer; their cards are in ``cards``.

A component is a class with a ``card``, registered under an entry point::

    [project.entry-points."empeval.scorers"]
    politeness = "my_package.scorers:Politeness"

Keyword parameters of ``__init__`` are what a user may set on the command line; their
annotations say how text becomes a value (``int``, ``bool``, ``Literal["a", "b"]`` ...).
Keep module imports light: import torch inside the method that needs it, so that listing and
``--help`` stay instant.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import msgspec

from empeval.cards import ModelCard, ScorerCard, TaskCard
from empeval.errors import UsageError
from empeval.records import (
    Continuations,
    Item,
    LogLikelihood,
    Metric,
    Response,
    Sample,
    Sampling,
    Score,
    Scored,
)
from empeval.spending import Spending

INTERFACE_VERSION = 1
"""The version of these interfaces. A component states the one it was written for."""


class Preview(msgspec.Struct, frozen=True):
    """An item as the model will see it: the prompt's text and its length in tokens."""

    text: str
    tokens: int | None = None


class Task(ABC):
    """Asks the questions.

    Subclasses set ``card`` and write ``items``. Options are keyword parameters of ``__init__``
    (``--task-args NAME.option=value``).
    """

    interface: ClassVar[int] = INTERFACE_VERSION
    card: TaskCard

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """Yield every item, in a fixed order.

        Raises:
            DataError: the rows are not what they should be.
            HubError: the rows cannot be fetched.
        """

    def select(self, items: Sequence[Item], limit: int, seed: int) -> list[Item]:
        """Choose the items of a limited run; the same for every model.

        The default takes the first ``limit``. A task whose items come in groups overrides this
        (drawing whole conversations, evenly over what they are about).
        """
        return list(items[:limit])

    def data_key(self) -> str:
        """Name the choice of rows in ``card.fingerprints``, such as ``"split=test"``."""
        return "default"

    def metrics(self, scored: Mapping[str, Sequence[Scored]]) -> list[Metric]:
        """Compute metrics of the task as a whole, beyond each scorer's own.

        Args:
            scored: scorer name -> scored samples, in the order of the ids.
        """
        return []


class Generator(ABC):
    """Answers. The part of a model URI after the scheme is ``target``.

    Attributes:
        operational: options that say how the model is asked (how many at once, how patiently) and
            not what it answers; a run may go on with others.
        reads_prompts: whether the messages decide the answers; saved answers do not read them.
        gives_likelihood: whether it has a ``loglikelihood``.
        counts_tokens: whether asking it takes tokens; saved answers take none.
        charges: whether its answers may cost money. Such a generator reserves what a question may
            take of ``spending`` before it asks, ends early when nothing is left, and brings in what
            is on its way.
        takes_more: whether ``generate``, given a deque, takes items out of it as it asks them and
            looks into it again after each answer that it yields, since its caller may have put
            there what can be asked now. The answers of such a generator depend on their own item
            alone.
        spending: what the run may spend, set before ``generate``; ``None`` outside of a run.
        wrapped: the generator whose answers these are, where one hands them on unchanged; a run
            is that one's.
    """

    interface: ClassVar[int] = INTERFACE_VERSION
    summary: ClassVar[str] = ""
    operational: ClassVar[tuple[str, ...]] = ()
    reads_prompts: ClassVar[bool] = True
    gives_likelihood: ClassVar[bool] = False
    counts_tokens: ClassVar[bool] = True
    charges: ClassVar[bool] = False
    takes_more: ClassVar[bool] = False
    spending: Spending | None = None
    wrapped: Generator | None = None

    @abstractmethod
    def __init__(self, target: str) -> None:
        """Check the target without loading anything heavy.

        Raises:
            UsageError: the target or an argument makes no sense.
        """

    @property
    @abstractmethod
    def card(self) -> ModelCard:
        """The model's card, without loading its weights."""

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """See every item of every task before anything is written.

        Returns:
            Warnings for the user, kept in the manifest.

        Raises:
            UsageError: these questions cannot be answered (a replay file of another task).
        """
        return []

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """Group the items whose answers are computed together.

        A resumed run repeats an unfinished group whole, so that its answers do not depend on
        where it was interrupted. Answers that depend on their own item alone need no groups: the
        default puts each item in one of its own.
        """
        return [[item] for item in items]

    @abstractmethod
    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield one response per item, as they finish, in any order.

        A failure of one item is a response with status ``error`` and a note; raise only when
        nothing can go on.
        """

    def loglikelihood(self, requests: Sequence[Continuations]) -> Iterator[LogLikelihood]:
        """Yield how likely the continuations of each request are, in any order.

        Optional: a generator that has it says so with ``gives_likelihood``. A request that cannot
        be met gives a note and no values; raise only when nothing can go on. The values of a
        request must not depend on the others.

        Raises:
            UsageError: it gives no likelihoods.
        """
        from empeval.errors import UsageError

        raise UsageError(
            f"{self.card.name} gives no probabilities of tokens; ask it for text, or use a model "
            "that does: hf:, packaged:."
        )

    def preview(self, item: Item, sampling: Sampling) -> Preview:
        """Show the item as the model will see it (for ``--dry-run``)."""
        return Preview("\n".join(f"[{m.role}] {m.content}" for m in item.messages))

    def runtime(self) -> dict[str, Any]:
        """What was decided on this machine while answering (device, batch sizes), as JSON.

        Recorded in the manifest when answering ends; it does not belong to the run spec.
        """
        return {}

    def close(self) -> None:  # noqa: B027 - nothing to free is the common case
        """Free what the model holds; called before scoring starts."""


class Scorer(ABC):
    """Judges answers. ``NAME:TARGET`` on the command line passes TARGET (a checkpoint).

    Attributes:
        requires: packages, by the names that are imported, without which it cannot score; a run
            says so before a model is asked anything.
        short: what files and tables call its target; ``None``: the target itself, cut.
        judgements: where a scorer that asks a model keeps what it said, by a key that identifies
            the question and the model; what is put there is on the disk at once, and is there
            again when the same scorer scores anew. ``None`` where nothing is kept.
        asks: whether it asks a model.
        spending: what the run may spend, for scorers that ask; ``None`` outside of a run.
        shared_work: what the scorers of these samples have made of them and another one may need
            as well, such as rows of tokens, by a key that says what it was made with. It is
            emptied when all of them have scored the samples; ``None`` outside of a run.
    """

    interface: ClassVar[int] = INTERFACE_VERSION
    requires: ClassVar[tuple[str, ...]] = ()
    card: ScorerCard
    short: str | None = None
    judgements: MutableMapping[str, Response] | None = None
    asks: ClassVar[bool] = False
    spending: Spending | None = None
    shared_work: MutableMapping[Hashable, Any] | None = None

    def __init__(self, target: str | None = None) -> None:
        """Remember the target; load nothing yet.

        Raises:
            UsageError: this scorer takes no target, or the target makes no sense.
        """
        if target is not None:
            raise UsageError(
                f"{type(self).__name__} takes no target, but ':{target}' was given. "
                "Leave it out of --scorers."
            )

    @abstractmethod
    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Score a batch: as many scores as samples, in their order.

        A sample that cannot be scored gets a status other than ``ok`` and a note.
        """

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Turn all scores of a task into metrics.

        The default is the mean of every value in the card with its 95 % interval, clusters
        resampled together. ``task`` and ``scorer`` are filled in by the runner. Samples without
        an answer (response status ``missing`` or ``error``) are here with a score of status
        ``error``, although ``score`` never saw them.
        """
        from empeval.metrics import Mean, mean_metrics  # brings numpy

        return mean_metrics([Mean(value=value) for value in self.card.values], scored)

    @property
    def charges(self) -> bool:
        """Whether what it asks may cost money."""
        return False

    def fingerprint(self) -> str | None:
        """Identify what decides the scores beyond the version (a checkpoint's hash)."""
        return None
