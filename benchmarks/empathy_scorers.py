"""Speed and memory of empathy scorers: one reply at a time, and in bulk, on one CPU thread.

    python benchmarks/empathy_scorers.py mvc stm baseline mvc:FOLDER --json scorers.json
    python benchmarks/empathy_scorers.py mvc 'mvc?engine=openvino&precision=int8' --against mvc \
      --agreement --processor-time

What is timed is ``Scorer.score``, as ``empeval score`` calls it: tokens, network and the table of
values. The items have no human reply, which would be judged beside the model's and take its time.

* alone: one call a reply; the median over ``--replies``;
* in bulk: one call for ``--bulk`` replies; the median over ``--rounds``;
* to baseline, or whichever ``--against`` names: the median of the ratios. For each reply and each
  round the scorers take turns, beginning with another one each time, so that a machine that slows
  down slows all of them, and a ratio is of times measured within moments of each other;
* peak memory: of a process of its own that scores the bulk once, libraries included;
* bytes: of the checkpoint's folder; and of the encoder's weights, where it is an adapter.

``--agreement`` adds how far each one's empathy lies from that of ``--against`` on the bulk, and how
many of the emotions are the same. ``--processor-time`` counts the seconds that the processor worked
for this process, for machines that have other work to do.

All are warmed up with the whole bulk. Replies are drawn by ``--seed`` from the test split of
EmpatheticDialogues where ``EMPEVAL_DATA`` has it; elsewhere they are the replies of ed-mini, each
put to as many of its dialogues as it takes, so that nothing is scored twice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tabulate import tabulate

from empeval import EmpevalError, HubError, Item, Message, Response, Sample, Score, UsageError
from empeval.checkpoints import WEIGHTS, locate
from empeval.data import data_directory
from empeval.engines import read_engine
from empeval.english import looks_english
from empeval.errors import nearest
from empeval.memory import peak_memory
from empeval.references import split_target
from empeval_empathy.checkpoints import BUNDLED, read_facts
from empeval_empathy.scorers import MVC, STM, Baseline, EmpathyScorer, context_of
from empeval_tasks.ed_empathy.rows import DATASET
from empeval_tasks.ed_empathy.task import EDEmpathy
from empeval_tasks.ed_mini.task import EDMini

CLASSES: dict[str, type[EmpathyScorer]] = {"baseline": Baseline, "stm": STM, "mvc": MVC}

SETTINGS = ("replies", "bulk", "rounds", "seed", "processor_time")
"""Options that a figure depends on."""


@dataclass(frozen=True)
class Contestant:
    """A scorer as it was named.

    Attributes:
        bytes: of the files of its checkpoint.
        encoder_bytes: of the weights of the encoder, where the checkpoint is an adapter on one.
    """

    name: str
    scorer: EmpathyScorer
    bytes: int
    encoder_bytes: int | None


def contestant(name: str) -> Contestant:
    """The scorer called ``name``: one of three, perhaps with a checkpoint and an engine.

    The encoder that an adapter goes on is fetched here, unless it is there.

    Raises:
        UsageError: there is no such scorer, or the target is no checkpoint for it.
        EmpevalError: the checkpoint or its encoder cannot be had.
    """
    kind, target = split_target(name)
    if kind not in CLASSES or name.endswith(":"):
        raise UsageError(f"Unknown empathy scorer '{name}'.{nearest(kind, CLASSES)}")
    scorer = CLASSES[kind](target)
    place, _ = read_engine(target)
    folder = locate(place) if place else BUNDLED / kind
    facts = read_facts(folder, scorer.architecture)
    own = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    encoder = None
    if not (folder / WEIGHTS).is_file():
        encoder = (locate(facts["encoder_name"]) / WEIGHTS).stat().st_size
    return Contestant(name, scorer, own, encoder)


def draw(count: int, seed: int) -> tuple[str, list[Sample]]:
    """So many different replies to score, and the name of the task that they are from.

    Raises:
        UsageError: there are not so many.
    """
    dice = random.Random(seed)
    source, pairs = "ed-empathy", _people()
    if pairs is None:
        source, pairs = "ed-mini", _mini()
    pairs = [pair for pair in dict.fromkeys(pairs) if _judged(*pair)]
    if count > len(pairs):
        raise UsageError(f"{source} has {len(pairs)} replies to score, not {count}.")
    chosen = dice.sample(pairs, count)
    return source, [_sample(str(number), *pair) for number, pair in enumerate(chosen)]


def _people() -> list[tuple[tuple[str, ...], str]] | None:
    directory = data_directory()
    if directory is None or not directory.joinpath(*DATASET.split("/")).is_dir():
        return None
    try:
        items = list(EDEmpathy().items())
    except HubError:  # the mirror's folder holds another part of it
        return None
    return [(_turns(item), item.reference or "") for item in items]


def _mini() -> list[tuple[tuple[str, ...], str]]:
    items = list(EDMini().items())
    return [
        (_turns(item), items[(index + shift) % len(items)].reference or "")
        for shift in range(len(items))
        for index, item in enumerate(items)
    ]


def _turns(item: Item) -> tuple[str, ...]:
    return context_of(Sample(item, Response(item.id, "")))


def _judged(context: tuple[str, ...], reply: str) -> bool:
    """Whether the scorers judge it at all; what they turn away takes no time."""
    return looks_english(reply) and looks_english(" ".join(context[-3:]))


def _sample(name: str, context: tuple[str, ...], reply: str) -> Sample:
    roles = [("user", "assistant")[back % 2] for back in reversed(range(len(context)))]
    turns = tuple(Message(role, text) for role, text in zip(roles, context, strict=True))
    return Sample(Item(name, turns, cluster=name), Response(name, reply))


def race(
    scorers: Sequence[EmpathyScorer],
    calls: Sequence[Sequence[Sample]],
    clock: Callable[[], float] = time.perf_counter,
) -> list[list[float]]:
    """Seconds that each scorer takes for each call, shape (scorers, calls); they take turns."""
    taken: list[list[float]] = [[0.0] * len(calls) for _ in scorers]
    for number, samples in enumerate(calls):
        for turn in range(len(scorers)):
            index = (number + turn) % len(scorers)
            started = clock()
            scorers[index].score(samples)
            taken[index][number] = clock() - started
    return taken


def ratio(taken: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the ratios of times that were measured side by side."""
    return statistics.median(a / b for a, b in zip(taken, reference, strict=True))


def measure(
    contestants: Sequence[Contestant], against: str, replies: Sequence[Sample], options: Any
) -> dict[str, dict[str, Any]]:
    """Name -> what was measured of each scorer."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    bulk, alone = replies[: options.bulk], replies[: options.replies]
    scorers = [one.scorer for one in contestants]
    clock = time.process_time if options.processor_time else time.perf_counter
    try:
        scores = [scorer.score(bulk) for scorer in scorers]
        race(scorers, [[sample] for sample in alone[:5]])
        single = race(scorers, [[sample] for sample in alone], clock)
        whole = race(scorers, [bulk] * options.rounds, clock)
    finally:
        torch.set_num_threads(threads)
    reference = [one.name for one in contestants].index(against)
    measured: dict[str, dict[str, Any]] = {}
    for index, one in enumerate(contestants):
        measured[one.name] = {
            "alone_ms": 1000 * statistics.median(single[index]),
            "alone_to_baseline": ratio(single[index], single[reference]),
            "bulk_per_second": len(bulk) / statistics.median(whole[index]),
            "bulk_to_baseline": ratio(whole[index], whole[reference]),
            "unscored": sum(score.status != "ok" for score in scores[index]),
            "checkpoint_bytes": one.bytes,
            "encoder_bytes": one.encoder_bytes,
        }
        if options.agreement and index != reference:
            measured[one.name]["agreement"] = agreement(scores[index], scores[reference])
    return measured


def agreement(scores: Sequence[Score], reference: Sequence[Score]) -> dict[str, float]:
    """How two scorers agree on the replies that both scored.

    Returns:
        ``difference``, the largest one of empathy; ``spearman`` of empathy; ``emotion``, the share
        of replies with the same one; ``replies``.
    """
    from scipy.stats import spearmanr

    pairs = [(a, b) for a, b in zip(scores, reference, strict=True) if a.status == b.status == "ok"]
    own, other = ([one.values["empathy"] for one in side] for side in zip(*pairs, strict=True))
    return {
        "replies": len(pairs),
        "difference": max(abs(a - b) for a, b in zip(own, other, strict=True)),
        "spearman": float(spearmanr(own, other).statistic),
        "emotion": statistics.fmean(a.labels["emotion"] == b.labels["emotion"] for a, b in pairs),
    }


def peak_of(name: str, options: Any) -> int | None:
    """``peak_memory`` of a process that scores the bulk with one scorer.

    Raises:
        EmpevalError: it failed.
    """
    command = [sys.executable, __file__, name, "--peak", f"--bulk={options.bulk}"]
    command += [f"--replies={options.replies}", f"--seed={options.seed}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise EmpevalError(f"Measuring the memory of {name} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def _print_peak(name: str, bulk: Sequence[Sample]) -> int:
    import torch

    torch.set_num_threads(1)
    contestant(name).scorer.score(bulk)
    print(json.dumps(peak_memory()))
    return 0


def table(measured: dict[str, dict[str, Any]]) -> str:
    """The numbers in Markdown."""
    columns: dict[str, tuple[str, float, str]] = {
        "ms a reply alone": ("alone_ms", 1, ".1f"),
        "time to baseline": ("alone_to_baseline", 1, ".2f"),
        "replies/s in bulk": ("bulk_per_second", 1, ".1f"),
        "time to baseline, bulk": ("bulk_to_baseline", 1, ".2f"),
        "peak MB": ("peak_bytes", 1e6, ".0f"),
        "checkpoint MB": ("checkpoint_bytes", 1e6, ".2f"),
        "encoder MB": ("encoder_bytes", 1e6, ".1f"),
    }
    rows = [
        [name]
        + [
            "-" if facts.get(key) is None else format(facts[key] / unit, form)
            for key, unit, form in columns.values()
        ]
        for name, facts in measured.items()
    ]
    return tabulate(rows, ["scorer", *columns], tablefmt="github", disable_numparse=True)


def agreements(figures: dict[str, dict[str, Any]], against: str) -> str:
    """How the scorers agree with one of them, in Markdown; empty where nobody asked."""
    found = {name: facts["agreement"] for name, facts in figures.items() if "agreement" in facts}
    rows = [
        [name, f"{one['difference']:.5f}", f"{one['spearman']:.5f}", f"{100 * one['emotion']:.1f}"]
        for name, one in found.items()
    ]
    heads = [f"empathy against {against}", "largest difference", "Spearman", "same emotion, %"]
    return tabulate(rows, heads, tablefmt="github", disable_numparse=True) if rows else ""


def count_from_one(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1 on")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "scorers",
        nargs="*",
        metavar="SCORER",
        default=[*CLASSES],
        help="baseline, stm, mvc, or one with a checkpoint or an engine, such as mvc:FOLDER",
    )
    parser.add_argument("--against", metavar="SCORER", help="of the ratios; default: baseline")
    parser.add_argument("--replies", type=count_from_one, default=100, help="scored alone")
    parser.add_argument(
        "--bulk", type=count_from_one, default=500, help="replies scored in one call"
    )
    parser.add_argument("--rounds", type=count_from_one, default=5, help="of bulk calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--agreement", action="store_true", help="with the scores of --against")
    parser.add_argument("--processor-time", action="store_true", help="in the place of seconds")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    return parser


def _names(options: Any) -> tuple[list[str], str]:
    """The scorers to measure, and the one that the others are held against."""
    names: list[str] = list(options.scorers)
    against = options.against or "baseline"
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise UsageError(f"{min(twice)} is named twice.")
    return (names if against in names else [against, *names]), against


def check_writable(path: Path) -> None:
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"--json {path}: no file can be written there.")


def _report(measured: dict[str, dict[str, Any]], facts: dict[str, Any]) -> Iterable[str]:
    yield table(measured)
    yield ""
    if agreed := agreements(measured, facts["against"]):
        yield agreed + "\n"
    yield (
        f"Medians over {facts['replies']} replies alone and {facts['rounds']} rounds of "
        f"{facts['bulk']}, out of {facts['source']} (seed {facts['seed']}); ratios to "
        f"{facts['against']}; {facts['device']}, one thread, torch {facts['torch']}"
        + (", processor time." if facts["processor_time"] else ".")
    )
    for name, scorer in measured.items():
        if scorer["unscored"]:
            yield f"{name} gave no score to {scorer['unscored']} of the {facts['bulk']} replies."


def run(options: Any) -> int:
    """Check everything that can be checked, measure, print."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # or they tokenize on every core
    if options.json is not None:
        check_writable(options.json)
    names, against = (options.scorers, "") if options.peak else _names(options)
    contestants = [contestant(name) for name in names]
    source, replies = draw(max(options.replies, options.bulk), options.seed)
    if options.peak:
        return _print_peak(names[0], replies[: options.bulk])
    peaks = {} if options.no_memory else {name: peak_of(name, options) for name in names}
    measured = measure(contestants, against, replies, options)
    for name, peak in peaks.items():
        measured[name]["peak_bytes"] = peak
    import torch

    facts = {
        **{name: getattr(options, name) for name in SETTINGS},
        "against": against,
        "source": source,
        "threads": 1,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "machine": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "empeval")},
    }
    print("\n".join(_report(measured, facts)))
    if options.json is not None:
        document = {"schema": 1, "settings": facts, "scorers": measured}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Measure; 2 when the arguments make no sense, 1 when something fails."""
    try:
        return run(_parser().parse_args(arguments))
    except EmpevalError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
