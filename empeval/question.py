"""Turns names and options into the question of a run: tasks, items, scorers, generator.

Everything that can be wrong about a question is found here, before anything is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from empeval import registry
from empeval.contained import contained
from empeval.errors import DataError, UsageError, nearest, some
from empeval.hooks import Hooks
from empeval.interfaces import Generator, Scorer, ScorerCard, Task, TaskCard
from empeval.pairs import parse_pairs as parse_pairs
from empeval.pairs import split_task_arguments as split_task_arguments
from empeval.records import Item, Message, Sampling
from empeval.runs import ScorerEntry, TaskEntry, data_fingerprint, prompts_hash, slug

DEFAULT_SCORERS = "default"


class AskedTask:
    """A task with the items that this run asks.

    Attributes:
        name: as the user wrote it. task: the instance. items: those asked, in order.
        shown: the same as the model gets them, behind the user's own system message.
        owner: how errors call it, with its distribution.
        entry: what the manifest says. warnings: for the user.
    """

    def __init__(
        self,
        name: str,
        arguments: Mapping[str, str],
        *,
        limit: int | None,
        seed: int,
        sampling: Mapping[str, Any],
        system: str | None = None,
    ) -> None:
        component = registry.find("tasks", name)
        cls = registry.load(component)
        self.name = name
        self.task: Task = registry.build(cls, arguments, label=f"task '{name}'")
        self.owner = f"task '{component.full_name}'"
        card = registry.checked_card(self.task, TaskCard)
        with contained(self.owner):
            every = [msgspec.structs.replace(i, task=name) for i in self.task.items()]
        check_items(name, every)
        with contained(self.owner):
            self.items = every if limit is None else list(self.task.select(every, limit, seed))
            key = self.task.data_key()
        self.shown = [with_system(item, system) for item in self.items]
        self.warnings: list[str] = []
        fingerprint = data_fingerprint(every)
        known = card.fingerprints.get(key, ())
        if known and fingerprint not in known:
            self.warnings.append(
                f"{name}: its rows differ from those that version {card.version} was tested with "
                f"({fingerprint[:19]}..., not {' or '.join(k[:19] for k in known)}...); scores may "
                "not compare with published ones."
            )
        self.entry = TaskEntry(
            version=card.version,
            data_fingerprint=fingerprint,
            prompts_hash=prompts_hash(self.items),
            n_items=len(self.items),
            n_clusters=len({i.cluster for i in self.items}),
            sampling=combine_sampling(card.sampling, sampling),
            arguments={k: str(v) for k, v in arguments.items()},
            dataset=card.dataset,
            license=card.license,
            distribution=f"{component.distribution} {component.version}",
        )


class AskedScorer:
    """A scorer as the user asked for it: ``name`` or ``name:target``.

    Attributes:
        label: how files and tables call it: the name, with the target made harmless.
        owner: how errors call it, with its distribution.
    """

    def __init__(self, spec: str) -> None:
        name, _, target = spec.partition(":")
        component = registry.find("scorers", name)
        cls = registry.load(component)
        self.label = f"{name}@{slug(target, 40)}" if target else name
        self.scorer: Scorer = registry.build(
            cls, {}, label=f"scorer '{name}'", target=target or None
        )
        self.owner = f"scorer '{component.full_name}'"
        card = registry.checked_card(self.scorer, ScorerCard)
        self.needs = card.needs
        with contained(self.owner):
            fingerprint = self.scorer.fingerprint()
        if not isinstance(fingerprint, str | None):
            raise registry.PluginError(
                f"The fingerprint of the {self.owner} is {fingerprint!r:.60}; it must be text."
            )
        self.entry = ScorerEntry(
            name=name,
            version=card.version,
            target=target or None,
            fingerprint=fingerprint,
            distribution=f"{component.distribution} {component.version}",
        )


def check_items(name: str, items: Sequence[Item]) -> None:
    """Refuse a task without items, with doubled ids or with an item that asks nothing.

    Raises:
        DataError: naming the task and the ids.
    """
    if not items:
        raise DataError(f"Task '{name}' has no items; check its data and options.")
    for item in items:
        try:
            msgspec.json.decode(msgspec.json.encode(item), type=Item)
        except (TypeError, UnicodeEncodeError, msgspec.ValidationError) as error:
            raise DataError(f"Task '{name}' has an invalid item, {item.id!r}: {error}.") from error
    doubled = [i for i, n in Counter(item.id for item in items).items() if n > 1]
    if doubled:
        raise DataError(f"Task '{name}' has doubled item ids: {some(doubled)}.")
    silent = [item.id for item in items if not item.messages]
    if silent:
        raise DataError(f"Task '{name}' has items without a message: {some(silent)}.")


def with_system(item: Item, system: str | None) -> Item:
    """The item behind a system message; one that it brings itself goes on below it."""
    if system is None:
        return item
    rest = item.messages
    if rest[0].role == "system":
        system, rest = f"{system}\n\n{rest[0].content}", rest[1:]
    shown: Item = msgspec.structs.replace(item, messages=(Message("system", system), *rest))
    return shown


def combine_sampling(base: Sampling, changes: Mapping[str, Any]) -> Sampling:
    """A task's sampling with the user's changes.

    Raises:
        UsageError: an unknown name, or a value of another type or out of its range.
    """
    known = msgspec.to_builtins(base)
    for name in changes:
        if name not in known:
            raise UsageError(f"Unknown option '{name}' of sampling.{nearest(name, known)}")
    try:
        result = msgspec.convert({**known, **changes}, Sampling)
    except msgspec.ValidationError as error:
        raise UsageError(f"The sampling makes no sense: {error}.") from error
    if result.max_tokens < 1:
        raise UsageError(f"--max-tokens is {result.max_tokens}; it must be 1 or more.")
    if not 0 <= result.temperature < float("inf"):
        raise UsageError(f"--temperature is {result.temperature}; it must be 0 or more.")
    if not 0 < result.top_p <= 1:
        raise UsageError(f"--top-p is {result.top_p}; it must be above 0 and at most 1.")
    if any(not s for s in result.stop):
        raise UsageError("--stop is empty; give the text that ends an answer.")
    return result


def resolve_generator(uri: str, arguments: Mapping[str, Any], hooks: Hooks) -> Generator:
    """The generator of a model URI ``scheme:target``.

    Raises:
        UsageError: no scheme, an unknown one, or arguments that make no sense.
    """
    for found in hooks.fire("empeval_resolve_model", uri=uri, arguments=dict(arguments)):
        if isinstance(found, Generator):
            return found
    scheme, colon, target = uri.partition(":")
    if not colon:
        raise UsageError(
            f"The model '{uri}' has no scheme. Write scheme:target, for example 'hf:{uri}' for a "
            "hub id or folder, or 'packaged:smollm2-135m-instruct'."
        )
    cls = registry.load(registry.find("generators", scheme))
    built: Generator = registry.build(
        cls, arguments, label=f"a model of scheme '{scheme}:'", target=target
    )
    return built


def scorers_for(
    tasks: Mapping[str, Task], specs: Sequence[str] | None
) -> dict[str, list[AskedScorer]]:
    """Which scorers judge which task; one instance each, shared by the tasks.

    Args:
        tasks: by name.
        specs: ``name`` or ``name:target``; ``default`` stands for each task's own. ``None`` is
            the same as ``["default"]``.

    Raises:
        UsageError: an unknown scorer, one asked twice, or one that applies to none of the tasks.
    """
    wanted = list(specs) if specs is not None else [DEFAULT_SCORERS]
    made: dict[str, AskedScorer] = {}

    def asked(spec: str) -> AskedScorer:
        if spec not in made:
            made[spec] = AskedScorer(spec)
        return made[spec]

    chosen: dict[str, list[AskedScorer]] = {name: [] for name in tasks}
    for spec in wanted:
        if spec == DEFAULT_SCORERS:
            pairs = [(name, asked(s)) for name, t in tasks.items() for s in t.card.scorers]
        else:
            one = asked(spec)
            fits = [n for n, t in tasks.items() if set(one.needs) <= set(t.card.provides)]
            if not fits:
                raise UsageError(
                    f"The scorer '{spec}' needs {', '.join(one.needs)}, which none of the tasks "
                    f"{', '.join(tasks)} provides. Leave it out or choose another task."
                )
            pairs = [(name, one) for name in fits]
        for name, scorer in pairs:
            if scorer not in chosen[name]:
                chosen[name].append(scorer)
    for name, scorers in chosen.items():
        doubled = [s for s, n in Counter(slug(a.label) for a in scorers).items() if n > 1]
        if doubled:
            raise UsageError(
                f"Two scorers of {name} would write to the same file: {some(doubled)}. "
                "Give their targets different names."
            )
    return chosen
