"""What a plugin author reads first: Task, Generator, Scorer and their cards.

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
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import msgspec

from empeval.records import Item, Metric, Response, Sample, Sampling, Score, Scored
from empeval.spending import Spending

INTERFACE_VERSION = 1
"""The version of these interfaces. A component states the one it was written for."""


class TaskCard(msgspec.Struct, frozen=True, kw_only=True):
    """Static facts about a task.

    Attributes:
        version: raise it when a prompt, an item or a rule changes; scores of different versions
            are not compared.
        summary: one sentence.
        provides: what its items offer to scorers: ``reply`` (the answer is a reply in a
            conversation), ``reference`` (a human reply), ``emotion`` (``target["emotion"]``), or
            a name of the task's own. A scorer applies when all of its ``needs`` are provided.
        scorers: used when the user names none.
        sampling: how to decode unless the user says otherwise.
        dataset: hub id, or where the rows come from.
        license: of the data; shown to the user.
        fingerprints: data fingerprints this version was tested with, by the arguments that chose
            the rows (``Task.data_key``); other rows give a warning.
    """

    version: str
    summary: str
    provides: tuple[str, ...]
    scorers: tuple[str, ...]
    license: str
    sampling: Sampling = Sampling()
    dataset: str | None = None
    language: str = "en"
    citation: str | None = None
    fingerprints: dict[str, tuple[str, ...]] = {}


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about the model behind a generator, known without loading its weights.

    Attributes:
        name: short, for tables.
        fingerprint: identifies the weights (hub commit, hash of files); equal fingerprints and
            equal details mean the same answers.
        license: of the model, if known.
        details: what else decides the answers (dtype, chat template, adapter ...), as JSON.
    """

    name: str
    fingerprint: str
    license: str | None = None
    details: dict[str, Any] = {}


class ValueCard(msgspec.Struct, frozen=True, kw_only=True):
    """One of the values that a scorer gives.

    Attributes:
        unit: ``points``, ``cosine``, ``words`` ... ``percent`` is for yes/no values, given as
            0 or 1 and reported as a share.
        low, high: the range; ``None`` is open.
        higher_is_better: ``None`` when it only describes.
    """

    name: str
    unit: str
    summary: str
    low: float | None = None
    high: float | None = None
    higher_is_better: bool | None = None


class ScorerCard(msgspec.Struct, frozen=True, kw_only=True):
    """Static facts about a scorer.

    Attributes:
        version: raise it when the same sample may get another score.
        summary: one sentence: what it measures.
        values: the values it gives, in the order in which tables show them.
        needs: what it needs of a task (see ``TaskCard.provides``).
        labels: the names of the labels it gives.
    """

    version: str
    summary: str
    values: tuple[ValueCard, ...]
    needs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    license: str | None = None
    citation: str | None = None


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
        (``ed-empathy`` draws conversations evenly over the emotions).
        """
        return list(items[:limit])

    def data_key(self) -> str:
        """Name the choice of rows in ``card.fingerprints``, such as ``"split=test"``."""
        return "default"

    def metrics(self, scored: Mapping[str, Sequence[Scored]]) -> list[Metric]:
        """Compute figures of the task as a whole, beyond each scorer's own.

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
        counts_tokens: whether asking it takes tokens; saved answers take none.
        charges: whether its answers may cost money. Such a generator reserves what a question may
            take of ``spending`` before it asks, ends early when nothing is left, and brings in what
            is on its way.
        spending: what the run may spend, set before ``generate``; ``None`` outside of a run.
    """

    interface: ClassVar[int] = INTERFACE_VERSION
    summary: ClassVar[str] = ""
    operational: ClassVar[tuple[str, ...]] = ()
    reads_prompts: ClassVar[bool] = True
    counts_tokens: ClassVar[bool] = True
    charges: ClassVar[bool] = False
    spending: Spending | None = None

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

    def preview(self, item: Item, sampling: Sampling) -> Preview:
        """Show the item as the model will see it (for ``--dry-run``)."""
        return Preview("\n".join(f"[{m.role}] {m.content}" for m in item.messages))

    def runtime(self) -> dict[str, Any]:
        """What was decided on this machine while answering (device, batch sizes), as JSON.

        Recorded in the manifest when answering ends; it does not belong to the question.
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
    """

    interface: ClassVar[int] = INTERFACE_VERSION
    requires: ClassVar[tuple[str, ...]] = ()
    card: ScorerCard
    short: str | None = None
    judgements: MutableMapping[str, Response] | None = None
    asks: ClassVar[bool] = False
    spending: Spending | None = None

    def __init__(self, target: str | None = None) -> None:
        """Remember the target; load nothing yet.

        Raises:
            UsageError: this scorer takes no target, or the target makes no sense.
        """
        if target is not None:
            from empeval.errors import UsageError

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
        """Turn all scores of a task into figures.

        The default is the mean of every value in the card with its 95 % interval, clusters
        resampled together. ``task`` and ``scorer`` are filled in by the runner. Samples without
        an answer (response status ``missing`` or ``error``) are here with a score of status
        ``error``, although ``score`` never saw them.
        """
        from empeval.metrics import mean_metric

        return [mean_metric(value, scored) for value in self.card.values]

    @property
    def charges(self) -> bool:
        """Whether what it asks may cost money."""
        return False

    def fingerprint(self) -> str | None:
        """Identify what decides the scores beyond the version (a checkpoint's hash)."""
        return None
