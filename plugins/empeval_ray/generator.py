"""``ray:SCHEME:TARGET`` has several replicas of any model answer, on one machine or many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from empeval import (
    Continuations,
    EmpevalError,
    Generator,
    Item,
    LogLikelihood,
    ModelCard,
    Preview,
    Response,
    Sampling,
    UsageError,
    open_model,
)
from empeval.toolkit import require
from empeval_ray import cluster
from empeval_ray.pool import Lost, Pool, Resident

OWN = ("replicas", "cpus", "gpus", "address")
"""Options of ``ray:``, none of which decides an answer."""
SAME = ("interface", "reads_prompts", "gives_likelihood", "counts_tokens", "charges")
"""Attributes of a generator that are the model's."""
BUNDLE = 16
"""The most items that go to a replica at once where each is a group of its own."""


class Questions(NamedTuple):
    """What every replica is to know before it answers some of it.

    Attributes:
        number: of the questions, which rises.
        tasks: what ``prepare`` is shown.
    """

    number: int
    tasks: Mapping[str, Sequence[Item]]


class Round(NamedTuple):
    """Items that are planned together.

    Attributes:
        number: of the round, which rises.
        items, sampling: of it.
    """

    number: int
    items: Sequence[Item]
    sampling: Sampling


class Replica(Resident):
    """A model in a process of its own.

    Args:
        folder: from where relative paths are meant.
        model: its URI.
        arguments: its options.
        expected: the card that the driver has.
    """

    def __init__(
        self, folder: str, model: str, arguments: Mapping[str, Any], expected: ModelCard
    ) -> None:
        super().__init__(folder)
        self._model = model
        self._arguments = arguments
        self._expected = expected
        self._opened: Generator | None = None
        self._asked = self._planned = 0
        self._plan: list[list[Item]] = []

    def plan(self, questions: list[Any], this: list[Any]) -> list[list[int]]:
        """The groups of a round, as indices of its items."""
        self._see(questions, this)
        import ray

        indices = {id_of(item): index for index, item in enumerate(ray.get(this[0]).items)}
        return [[indices[id_of(item)] for item in group] for group in self._plan]

    def answer(
        self, questions: list[Any], this: list[Any], items: Sequence[Item], sampling: Sampling
    ) -> list[Response]:
        """Answers to whole groups of a round."""
        generator = self._see(questions, this)
        return list(generator.generate(items, sampling))

    def loglikelihood(self, requests: Sequence[Continuations]) -> list[LogLikelihood]:
        """As the model gives them."""
        return list(self._open().loglikelihood(requests))

    def runtime(self) -> dict[str, Any]:
        """What the model decided where it is."""
        return self._open().runtime()

    def _see(self, questions: list[Any], this: list[Any]) -> Generator:
        """Have the model prepare and plan as it would alone, once.

        Both come as references in a list, so that Ray fetches only what is not known yet.
        """
        import ray

        generator = self._open()
        if questions:
            asked = ray.get(questions[0])
            if asked.number != self._asked:
                generator.prepare(asked.tasks)
                self._asked = asked.number
        planned = ray.get(this[0])
        if planned.number != self._planned:
            self._plan = generator.plan(planned.items, planned.sampling)
            self._planned = planned.number
        return generator

    def _open(self) -> Generator:
        if self._opened is None:
            generator = open_model(self._model, self._arguments)
            differing = differences(self._expected, generator.card)
            if differing:
                raise UsageError(
                    f"'{self._model}' is another model where Ray places it than here: "
                    f"{'; '.join(differing)}. Give the option that decides it to both (such as "
                    "--model-args dtype=float32), and the same files and packages."
                )
            self._opened = generator
        return self._opened


class Ray(Generator):
    """A model in several processes that Ray places; this one alone writes.

    Args:
        target: the model's own URI: ``vllm:org/name``.
        replicas: how many processes. Those that find no place wait; the others work.
        cpus: of each.
        gpus: of each; by default one where the cluster has any and the model computes by itself.
        address: of a cluster that is there (``auto``: on this machine), or ``local`` to have one
            started; by default that of ``RAY_ADDRESS``, the one on this machine, or a new one.
        others: options of the model.

    Raises:
        UsageError: no model, an option makes no sense, or ray is not installed.
    """

    summary = "any other model (ray:vllm:org/name) in replicas that Ray places"

    def __init__(
        self,
        target: str,
        *,
        replicas: int = 1,
        cpus: float = 1,
        gpus: float | None = None,
        address: str | None = None,
        **others: Any,
    ) -> None:
        if not target or target.startswith("ray:"):
            raise UsageError("'ray:' needs a model behind it: ray:vllm:org/name")
        for name, value, least in (("replicas", replicas, 1), ("cpus", cpus, 0)):
            if value < least:
                raise UsageError(f"{name} is {value}; it must be {least} or more.")
        if gpus is not None and gpus < 0:
            raise UsageError(f"gpus is {gpus}; it must be 0 or more.")
        require("'ray:'", "ray")
        self._target = target
        self._others = others
        self._replicas = replicas
        self._cpus = cpus
        self._gpus = gpus
        self._address = address
        model = self.wrapped = self._model = open_model(target, others)
        same = {name: getattr(model, name) for name in SAME}
        for name, value in {**same, "operational": (*OWN, *model.operational)}.items():
            setattr(self, name, value)  # a run asks these of the model that it has
        self._pool: Pool | None = None
        self._questions: list[Any] = []
        self._tasks: Mapping[str, Sequence[Item]] | None = None
        self._round: list[Any] = []
        self._numbers = (0, 0)
        self._groups: dict[tuple[str, str], int] = {}

    @property
    def card(self) -> ModelCard:
        """The model's own."""
        return self._model.card

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """As the model does; the replicas do it later, where they are.

        Raises:
            UsageError: the model cannot answer these.
        """
        self._tasks = questions
        return self._model.prepare(questions)

    def preview(self, item: Item, sampling: Sampling) -> Preview:
        """The model's own."""
        return self._model.preview(item, sampling)

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """The model's own plan, made by a replica: groups may depend on its device."""
        import ray

        if not items:
            return []
        pool = self._started()
        if self._tasks is not None:
            self._numbers = (self._numbers[0] + 1, self._numbers[1])
            self._questions = [ray.put(Questions(self._numbers[0], self._tasks))]
            self._tasks = None
        self._numbers = (self._numbers[0], self._numbers[1] + 1)
        self._round = [ray.put(Round(self._numbers[1], list(items), sampling))]
        indices = self._one(pool, lambda handle: handle.plan.remote(self._questions, self._round))
        plan = [[items[index] for index in group] for group in indices]
        self._groups = {id_of(item): n for n, group in enumerate(plan) for item in group}
        return plan

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield the responses of a group, or of a few that are small, when all of it is answered.

        Items of which the replica dies again and again get status ``error``.

        Raises:
            EmpevalError: what a replica raises; or each dies before it has answered anything.
        """
        if not items:
            return
        if any(id_of(item) not in self._groups for item in items):
            self.plan(items, sampling)
        pool = self._started()
        purse = _Purse(self, items, sampling)
        batches = self._batches(items, alone=purse.limited)

        def make(handle: Any, batch: Sequence[Item]) -> Any:
            return handle.answer.remote(self._questions, self._round, batch, sampling)

        for batch, result in pool.run(batches, make, purse.allows):
            if isinstance(result, Lost):
                note = f"its replica died again and again: {result.reason}"
                result = [Response(item.id, "", "error", note=note) for item in batch]
            yield from result
            purse.counted(batch)

    def loglikelihood(self, requests: Sequence[Continuations]) -> Iterator[LogLikelihood]:
        """Yield what one replica gives: values may depend on what is read together.

        Raises:
            UsageError: the model gives none.
        """
        if not self.gives_likelihood:
            return self._model.loglikelihood(requests)
        wanted = list(requests)
        return iter(self._one(self._started(), lambda h: h.loglikelihood.remote(wanted)))

    def runtime(self) -> dict[str, Any]:
        """Replicas, those of them that died, Ray's version, and what one replica says."""
        if self._pool is None:
            return {}
        import ray

        told = self._one(self._pool, lambda handle: handle.runtime.remote())
        deaths = self._pool.deaths
        return {**told, "ray": ray.__version__, "replicas": self._replicas, "died": deaths}

    def close(self) -> None:
        """End the replicas, and the cluster if it was started here."""
        self._model.close()
        if self._pool is not None:
            self._pool.close()
            self._pool = None
            self._groups = {}

    def _started(self) -> Pool:
        if self._pool is None:
            self._pool = Pool(
                Replica,
                self._target,
                self._others,
                self.card,
                count=self._replicas,
                address=self._address,
                resources=self._resources,
                what="replica",
            )
        return self._pool

    def _resources(self) -> dict[str, Any]:
        gpus = self._gpus
        if gpus is None:  # a served model computes elsewhere, saved answers nowhere
            gpus = 1 if cluster.gpus() and self.reads_prompts and not self.charges else 0
        return {"num_cpus": self._cpus, "num_gpus": gpus}

    def _one(self, pool: Pool, make: Callable[[Any], Any]) -> Any:
        """What one replica gives."""
        for _, result in pool.run([None], lambda handle, _: make(handle)):
            if isinstance(result, Lost):
                raise EmpevalError(f"A replica died again and again: {result.reason}")
            return result
        raise EmpevalError("Ray gave no answer.")

    def _batches(self, items: Sequence[Item], *, alone: bool) -> list[list[Item]]:
        """Groups of the plan, and several of one item each together."""
        groups = [list(g) for _, g in groupby(items, lambda item: self._groups[id_of(item)])]
        single = sum(len(group) == 1 for group in groups)
        most = 1 if alone else max(1, min(BUNDLE, single // (4 * self._replicas)))
        batches: list[list[Item]] = []
        room = 0
        for group in groups:
            if len(group) == 1 and room:
                batches[-1] += group
                room -= 1
            else:
                batches.append(group)
                room = most - 1 if len(group) == 1 else 0
        return batches


class _Purse:
    """Keeps aside what questions under way may take, where a model charges and there is a limit.

    Args:
        generator: that asks.
        items: what it asks, one at a time where there is a limit.
        sampling: how.
    """

    def __init__(self, generator: Ray, items: Sequence[Item], sampling: Sampling) -> None:
        spending = generator.spending if generator.charges else None
        limits = (None, None) if spending is None else (spending.max_cost, spending.max_tokens)
        self._spending = spending if limits != (None, None) else None
        self._most = sampling.max_tokens
        self._left = iter(items)
        self._due: Item | None = None
        self._held: set[str] = set()

    @property
    def limited(self) -> bool:
        """Whether there is a limit to keep."""
        return self._spending is not None

    def allows(self) -> bool:
        """Whether the next item may be asked now; if so, the one after it is the next."""
        if self._spending is None:
            return True
        item = self._due = self._due or next(self._left, None)
        if item is None:
            return False
        tokens = sum(len(m.content.encode()) for m in item.messages) + self._most
        if not self._spending.reserve(item.id, tokens, None, alone=not self._held):
            return False
        self._held.add(item.id)
        self._due = None
        return True

    def counted(self, batch: Sequence[Item]) -> None:
        """Give back what was kept aside for these, which were counted."""
        for item in batch:
            if self._spending is not None:
                self._held.discard(item.id)
                self._spending.release(item.id)


def id_of(item: Item) -> tuple[str, str]:
    """What tells items of a run apart."""
    return item.task, item.id


def differences(one: ModelCard, other: ModelCard) -> list[str]:
    """What two cards say differently that decides answers."""
    ours = {"fingerprint": one.fingerprint, **one.details}
    theirs = {"fingerprint": other.fingerprint, **other.details}
    return [
        f"{key} is {theirs.get(key)} there, {ours.get(key)} here"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    ]
