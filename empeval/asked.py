"""Turns a run spec into what is asked: tasks, items, scorers, generator.

Everything that can be wrong about a run spec is found here, before anything is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from empeval import registry
from empeval.cards import ModelCard, ScorerCard, TaskCard
from empeval.contained import contained
from empeval.errors import DataError, UnknownNameError, UsageError, some
from empeval.extras import MissingPackageError, require
from empeval.hooks import Hooks
from empeval.interfaces import Generator, Scorer, Task
from empeval.reasoning import parse_tags, recorded
from empeval.records import Item, Message, Sampling
from empeval.references import parse_reference, split_target
from empeval.runs import ModelEntry, ScorerEntry, TaskEntry, data_fingerprint, prompts_hash, slug
from empeval.runspec import ModelName, RunSpec, ScorerName, TaskName, limit_of, limited
from empeval.scripts import scored_turns, steps, turn_items

DEFAULT_SCORERS = "default"


class AskedTask:
    """A task with the items that this run asks.

    Attributes:
        name: what files and tables call it: as the user wrote it, or the name in its file.
        task: the instance. chosen: those of its items that are asked, in order.
        items: the same as they are answered: of a dialogue, an item for each turn.
        shown: these as the model gets them, behind the user's own system message.
        steps: ids of turns whose replies are no answers, only steps towards one.
        system: the user's own system message.
        owner: how errors call it, with its distribution.
        entry: what the manifest says. warnings: for the user.

    Args:
        what: a name, a file reference, or a task.
        arguments: its options.
        spec: limit, seed, system message and changes to the sampling are taken from it.
    """

    def __init__(
        self, what: TaskName, arguments: Mapping[str, Any], spec: RunSpec | None = None
    ) -> None:
        spec = spec or RunSpec()
        component, found = registry.resolve("tasks", what)
        self.name = name = task_name(what, component)
        self.owner = f"task '{component.full_name}'"
        if isinstance(found, Task):
            if arguments:
                raise UsageError(f"The task '{name}' is made already; set its options there.")
            self.task = found
        else:
            self.task = registry.build(found, arguments, label=f"task '{name}'")
        card = registry.checked_card(self.task, TaskCard)
        with contained(self.owner):
            every = [msgspec.structs.replace(i, task=name) for i in self.task.items()]
        check_items(name, every)
        with contained(self.owner):
            self.chosen = limited(self.task, every, limit_of(spec.limit), spec.seed)
            key = self.task.data_key()
        self.items = [turn for item in self.chosen for turn in turn_items(item)]
        self.steps = {name for item in self.chosen for name in steps(item)}
        self.system = spec.system
        self.shown = [with_system(item, spec.system) for item in self.items]
        self.warnings: list[str] = []
        fingerprint = data_fingerprint(every)
        known = card.fingerprints.get(key, ())
        if known and fingerprint not in known:
            self.warnings.append(
                f"{name}: its rows differ from those that version {card.version} was tested with "
                f"({fingerprint[:19]}..., not {' or '.join(k[:19] for k in known)}...); scores may "
                "not compare with published ones."
            )
        asked = combine_sampling(card.sampling, {"seed": spec.seed, **spec.sampling})
        self.entry = TaskEntry(
            version=component.identity(card.version),
            data_fingerprint=fingerprint,
            prompts_hash=prompts_hash(self.chosen),
            n_items=len(self.items) - len(self.steps),
            n_clusters=len({i.cluster for i in self.chosen}),
            sampling=asked,
            reasoning=recorded(asked.reasoning_tags),
            arguments={k: str(v) for k, v in arguments.items()},
            dataset=card.dataset,
            license=card.license,
            distribution=component.origin,
            provides=card.provides,
        )

    @property
    def scripted(self) -> bool:
        """Whether there are dialogues among its items, which are asked turn by turn."""
        return any(item.script for item in self.chosen)


class AskedScorer:
    """A scorer as the user asked for it: ``name``, ``name:target``, a file reference, a scorer.

    Attributes:
        label: how files and tables call it: the name, with the target made harmless.
        owner: how errors call it, with its distribution.
        what, prefer: as they were given.

    Args:
        what: see above.
        prefer: the distribution whose scorer it is where two have one of that name.
    """

    def __init__(self, what: ScorerName, prefer: str | None = None) -> None:
        self.what, self.prefer = what, prefer
        name, target = split_target(what) if isinstance(what, str) else (what, None)
        component, found = registry.resolve("scorers", name, prefer)
        name = name if isinstance(name, str) and not component.local else component.name
        if isinstance(found, Scorer):
            self.scorer = found
            target = getattr(found, "target", None)
            target = target if isinstance(target, str) else None
        else:
            self.scorer = registry.build(found, {}, label=f"scorer '{name}'", target=target)
        short = getattr(self.scorer, "short", None)
        shown = short if isinstance(short, str) and short else target
        self.label = f"{name}@{slug(shown, 40)}" if target and shown else name
        self.owner = f"scorer '{component.full_name}'"
        card = registry.checked_card(self.scorer, ScorerCard)
        require(f"The {self.owner}", *self.scorer.requires)
        self.needs = card.needs
        with contained(self.owner):
            fingerprint = self.scorer.fingerprint()
        if not isinstance(fingerprint, str | None):
            raise registry.PluginError(
                f"The fingerprint of the {self.owner} is {fingerprint!r:.60}; it must be text."
            )
        self.entry = ScorerEntry(
            name=name,
            version=component.identity(card.version),
            target=target,
            fingerprint=fingerprint,
            distribution=component.origin,
        )


def task_name(what: TaskName, component: registry.Component) -> str:
    """What a run calls a task: as the user wrote it, or the name in its file or class."""
    return what if isinstance(what, str) and not component.local else component.name


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
    ids = [turn.id for item in items for turn in turn_items(item)]
    doubled = [i for i, n in Counter(ids).items() if n > 1]
    if doubled:
        raise DataError(f"Task '{name}' has doubled item ids: {some(doubled)}.")
    silent = [
        item.id
        for item in items
        if not (item.messages or item.script) or not all(t.content.strip() for t in item.script)
    ]
    if silent:
        raise DataError(f"Task '{name}' has items without a message: {some(silent)}.")
    both = [item.id for item in items if item.script and item.blanks]
    if both:
        raise DataError(
            f"Task '{name}' has items with a script and with blanks, which go by themselves: "
            f"{some(both)}."
        )
    unscored = [item.id for item in items if not scored_turns(item)]
    if unscored:
        raise DataError(
            f"Task '{name}' has dialogues of which no turn is scored: {some(unscored)}."
        )


def with_system(item: Item, system: str | None) -> Item:
    """The item behind a system message; one that it brings itself goes on below it."""
    if system is None:
        return item
    rest = item.messages
    if rest and rest[0].role == "system":
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
            said = f"Unknown option '{name}' of sampling."
            raise UnknownNameError(said, kind="option", name=name, known=known)
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
    for text in result.reasoning_tags:
        parse_tags(text)
    return result


def resolve_generator(model: ModelName, arguments: Mapping[str, Any], hooks: Hooks) -> Generator:
    """The generator of a model URI ``scheme:target``, of a file reference, or as it is given.

    Raises:
        UsageError: no scheme, an unknown one, or arguments that make no sense.
    """
    if not isinstance(model, str):
        _, found = registry.resolve("generators", model)
        if not isinstance(found, Generator):
            return _built_generator(found, "", arguments, f"the model '{found.__name__}'")
        if arguments:
            raise UsageError("The model is made already; set its options there.")
        return found
    for found in hooks.fire("empeval_resolve_model", uri=model, arguments=dict(arguments)):
        if isinstance(found, Generator):
            return found
    scheme, target = split_target(model)
    if parse_reference(model) is None and ":" not in model:
        schemes = [one.name for one in registry.components("generators")]
        meant = f" Did you mean '{model}:'?" if model in schemes else ""
        raise UsageError(
            f"The model '{model}' has no scheme.{meant} Write scheme:target, for example "
            f"'hf:{model}' for a hub id or folder, or 'packaged:smollm2-135m-instruct'."
        )
    _, cls = registry.resolve("generators", scheme)
    return _built_generator(cls, target or "", arguments, f"a model of scheme '{scheme}:'")


def _built_generator(
    cls: type[Any], target: str, arguments: Mapping[str, Any], label: str
) -> Generator:
    built: Generator = registry.build(cls, arguments, label=label, target=target)
    return built


def model_entry(spec: RunSpec, generator: Generator) -> ModelEntry:
    """What the manifest says of a model; one from a file is told apart by the file's hash."""
    card = registry.checked_card(generator, ModelCard)
    local = registry.local_component(type(generator.wrapped or generator))
    source = {"source": local.origin} if local is not None else {}
    given = {name: str(value) for name, value in spec.model_args.items()}
    return ModelEntry(
        uri=spec.model if isinstance(spec.model, str) else f"object:{type(generator).__name__}",
        name=card.name,
        fingerprint=card.fingerprint,
        arguments={k: v for k, v in given.items() if k not in generator.operational},
        license=card.license,
        details={**card.details, **source},
        operation={k: v for k, v in given.items() if k in generator.operational},
        system=spec.system or None,
    )


def scorers_for(
    tasks: Mapping[str, Task], specs: Sequence[ScorerName] | None
) -> dict[str, list[AskedScorer]]:
    """Which scorers judge which task; one instance each, shared by the tasks.

    Args:
        tasks: by name.
        specs: as of ``RunSpec.scorers``; ``default`` stands for each task's own. ``None`` is the
            same as ``["default"]``.

    Raises:
        UsageError: an unknown scorer, one asked twice, or one that applies to none of the tasks.
    """
    wanted = registry.expand("scorers", list(specs) if specs is not None else [DEFAULT_SCORERS])
    made: dict[Any, AskedScorer] = {}

    def asked(what: ScorerName, prefer: str | None = None) -> AskedScorer:
        key = (what, prefer) if isinstance(what, str) else id(what)
        if key not in made:
            new = AskedScorer(what, prefer)
            alike = (a for k, a in made.items() if isinstance(k, tuple) and _same(a, new))
            made[key] = next(alike, new) if isinstance(what, str) else new
        return made[key]

    def own(name: str, task: Task, scorer: str) -> AskedScorer:
        try:
            return asked(scorer, registry.plugin_of(type(task)))
        except MissingPackageError as error:
            raise error.reworded(f"{error} (or choose other scorers: --scorers)") from error
        except UsageError as error:
            said = f"The task '{name}' uses the scorer '{scorer}': {error}"
            raise error.reworded(said) from error

    chosen: dict[str, list[AskedScorer]] = {name: [] for name in tasks}
    for what in wanted:
        if isinstance(what, str) and what == DEFAULT_SCORERS:
            # its own distribution's, whoever else has one of that name
            pairs = [(name, own(name, t, s)) for name, t in tasks.items() for s in t.card.scorers]
        else:
            one = asked(what)
            fits = [n for n, t in tasks.items() if set(one.needs) <= set(t.card.provides)]
            if not fits:
                raise UsageError(
                    f"The scorer '{one.label}' needs {', '.join(one.needs)}, which none of the "
                    f"tasks {', '.join(tasks)} provides. Leave it out or choose another task."
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


def _same(one: AskedScorer, other: AskedScorer) -> bool:
    return (one.label, one.entry) == (other.label, other.entry)
