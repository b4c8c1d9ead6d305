"""The audit of scorers from beginning to end: texts, scores, estimates, certificate."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from empeval.__about__ import __version__
from empeval.asked import AskedScorer
from empeval.auditing import flattery, invariance
from empeval.auditing.agreement import agreement
from empeval.auditing.asking import Book, Text, directions, primary_value, value_for
from empeval.auditing.bases import Base, Yardstick, choose_bases
from empeval.auditing.gathering import Gathered
from empeval.auditing.machine import Elsewhere, ask_elsewhere, speed
from empeval.auditing.rated import Dimension, RatedReply
from empeval.auditing.rivals import trivial_rivals, words
from empeval.certificates import Agreement, Certificate, Domain, Trial
from empeval.data import rows_fingerprint
from empeval.errors import EmpevalError, RunFolderError
from empeval.extras import is_installed
from empeval.files import write_json
from empeval.runs import slug

METHOD = 2
"""Raise it when the same scores may give other estimates: a finished audit is then made anew."""

FOR_INVARIANCE = 64


class Finished(Certificate, frozen=True, kw_only=True):
    """``audit.json``: a certificate, and the hash of what was asked for it.

    A copy of it in a package's ``certificates`` is that package's certificate.
    """

    asked: str = msgspec.field(name="question")  # the name in files of before


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What else decides an audit.

    Attributes:
        machine: whether speed and memory are measured.
        bases: the most replies that are changed in trials; with 0 there are no trials, and no
            cost is measured: agreement alone.
    """

    machine: bool = True
    bases: int = 200


def audit(
    asked: AskedScorer,
    spec: str,
    sets: Sequence[Gathered],
    out: Path,
    *,
    settings: Settings | None = None,
    rivals: Sequence[AskedScorer] = (),
    fresh: bool = False,
    progress: bool = False,
) -> tuple[Certificate, bool]:
    """Audit one scorer; an interrupted audit goes on, a finished one is read.

    Args:
        asked: the scorer.
        spec: as the user wrote it.
        sets: rated replies; none leaves the trials and the cost.
        out: the folder; ``NAME/audit.json`` and ``scores/NAME.jsonl`` are written in it.
        settings: what else decides.
        rivals: scorers that it is held against, each by the first value of its card.
        fresh: forget what the folder holds of this scorer.
        progress: show it.

    Returns:
        The certificate, and whether it was there already.

    Raises:
        EmpevalError: the scorer cannot be used at all.
        StorageError: the folder cannot be written.
    """
    settings = settings or Settings()
    label = slug(asked.label)
    path = out / label / "audit.json"
    identity = _identity(asked, spec, sets, settings, rivals)
    if not fresh and (found := read_finished(path)) is not None and found.asked == identity:
        return found, True
    book = Book(asked, out / "scores" / f"{label}.jsonl", fresh=fresh)
    bases = choose_bases(sets, settings.bases)
    rated = _texts(sets)
    book.ask(rated, "rated replies", progress=progress)
    tried = [*flattery.trial_texts(bases), *invariance.people_texts()] if bases else []
    book.ask(tried, "trials", progress=progress)
    given = book.names()
    if not given:
        reasons = book.failures(base.text for base in bases)
        why = f" The first reason: {reasons[0]}" if reasons else ""
        raise EmpevalError(f"{asked.label} gave no reply a score; there is nothing to audit.{why}")
    primary, sign, remark = primary_value(asked, given)
    others = {
        one.label: book
        if slug(one.label) == label
        else Book(one, out / "scores" / f"{slug(one.label)}.jsonl")
        for one in (rivals if sets else ())
    }
    for other in others.values():
        other.ask(rated, "rated replies", progress=progress)
    notes = [remark] if remark else []
    agreements = []
    for one in sets:
        for dimension in one.rated.dimensions:
            made, problem = _agreement(book, others, one, dimension, given, primary)
            agreements += [made] if made is not None else []
            notes += [problem] if problem else []
    stick = yardstick(asked, primary, book.values([base.text for base in bases], primary), bases)
    if bases and stick.sd == 0:
        notes.append("all base replies got the same score: the trials of flattery mean nothing")
    certificate = Certificate(
        scorer=spec,
        version=asked.entry.version,
        fingerprint=asked.entry.fingerprint,
        distribution=asked.entry.distribution,
        agreements=tuple(agreements),
        trials=(),
        milliseconds_alone=None,
        replies_per_second=None,
        peak_memory_mb=None,
        domain=_domain(rated or [base.text for base in bases]),
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        empeval=__version__,
        primary=primary,
        notes=tuple(notes),
    )
    if bases:
        trials = [
            *flattery.flattery_trials(book, primary, sign, bases, stick),
            flattery.length_trial(certificate.headline),
        ]
        certificate = _with_machine(
            certificate, asked, spec, book, bases, stick, tuple(trials), settings, progress=progress
        )
    fields = {name: getattr(certificate, name) for name in Certificate.__struct_fields__}
    finished = Finished(**fields, asked=identity)
    write_json(path, finished)
    return finished, False


def read_finished(path: Path) -> Finished | None:
    """A finished audit; ``None`` where there is none.

    Raises:
        RunFolderError: the file is no audit.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Finished)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise RunFolderError(
            f"{path} is no audit ({error}). Remove it, or name another folder with --out."
        ) from error


def yardstick(
    asked: AskedScorer, name: str, scores: np.ndarray, bases: Sequence[Base]
) -> Yardstick:
    """How large a change of a value is, by its card and by the scores of the base replies.

    The spread is the median of those inside of the rated sets: what tells one set's replies from
    another's (long letters from chat lines) would make every change look small.
    """
    from empeval.auditing.bases import TARGET_SDS, WIDE_SDS

    card = next(value for value in asked.scorer.card.values if value.name == name)
    sources = np.array([base.source for base in bases])
    inside = [scores[(sources == one) & np.isfinite(scores)] for one in dict.fromkeys(sources)]
    sd = float(np.median([_spread(own) for own in inside if len(own)] or [0.0]))
    low, high = card.low, card.high
    bounded = low is not None and high is not None and (sd == 0 or high - low <= WIDE_SDS * sd)
    span = float(high) - float(low) if bounded else TARGET_SDS * sd  # type: ignore[arg-type]
    return Yardstick(unit=card.unit, span=span, sd=sd, bounded=bounded)


def _spread(scores: np.ndarray) -> float:
    """The standard deviation; where a few scores lie far out, that of the middle half."""
    if len(scores) < 2:
        return 0.0
    low, high = np.quantile(scores, [0.25, 0.75])
    sd, middle = float(scores.std(ddof=1)), float(high - low) / 1.349  # of a normal distribution
    return min(sd, middle) if middle > 0 else sd


def _agreement(
    book: Book,
    others: Mapping[str, Book],
    one: Gathered,
    dimension: Dimension,
    given: set[str],
    primary: str,
) -> tuple[Agreement | None, str]:
    replies = [r for r in one.rated.replies if r.mean(dimension.name) is not None]
    if not replies:
        return None, f"{one.rated.name} {dimension.name}: nobody rated it"
    texts = [_text(reply) for reply in replies]
    value = value_for(dimension.name, dimension.parts, given, primary)
    sign = directions(book.asked).get(value, 1)
    rivals = trivial_rivals(texts)
    for name, other in others.items():
        rivals[name] = other.values(texts, other.asked.scorer.card.values[0].name)
    return agreement(one, dimension, replies, sign * book.values(texts, value), value, rivals)


def _with_machine(
    certificate: Certificate,
    asked: AskedScorer,
    spec: str,
    book: Book,
    bases: Sequence[Base],
    stick: Yardstick,
    trials: tuple[Trial, ...],
    settings: Settings,
    *,
    progress: bool,
) -> Certificate:
    """With the trials of invariance, and what the scorer costs."""
    from empeval.auditing.progress import progress_bar

    name = certificate.primary
    texts = [base.text for base in bases]
    some = texts[:FOR_INVARIANCE]
    with progress_bar(4, 0, f"{asked.label}: invariance and cost", progress) as bar:
        ways, here = invariance.way_of_asking(asked, name, some, stick)
        bar.update()
        dtype = invariance.dtype_trial(asked, some, here, name, stick)
        bar.update()
        cpu = ask_elsewhere(spec, some, cpu=True) if _has_gpu() else None
        device = invariance.device_trial(some, here, cpu, name, stick)
        bar.update()
        cost: dict[str, object] = {}
        if settings.machine:
            alone, bulk = speed(asked, texts)
            apart: Elsewhere = ask_elsewhere(spec, texts[:128])
            peak = None if apart.peak_bytes is None else round(apart.peak_bytes / 1e6, 1)
            cost = {"milliseconds_alone": alone, "replies_per_second": bulk, "peak_memory_mb": peak}
            if apart.problem:
                cost["notes"] = (*certificate.notes, f"memory not measured: {apart.problem}")
        bar.update()
    every = (*trials, *ways, device, dtype, *invariance.people_trials(book, name, stick))
    made: Certificate = msgspec.structs.replace(certificate, trials=every, **cost)
    return made


def _has_gpu() -> bool:
    if not is_installed("torch"):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _text(reply: RatedReply) -> Text:
    return Text(reply.context, reply.reply)


def _texts(sets: Sequence[Gathered]) -> list[Text]:
    return [_text(reply) for one in sets for reply in one.rated.replies]


def _domain(texts: Sequence[Text]) -> Domain:
    def ends(lengths: Sequence[int]) -> tuple[float, float, float]:
        low, middle, high = np.percentile(lengths, [1, 50, 99]).tolist()
        return round(low, 1), round(middle, 1), round(high, 1)

    return Domain(
        words=ends([words(text.reply) for text in texts]),
        context_words=ends([words(" ".join(text.context)) for text in texts]),
        language="en",
    )


def _identity(
    asked: AskedScorer,
    spec: str,
    sets: Sequence[Gathered],
    settings: Settings,
    rivals: Sequence[AskedScorer],
) -> str:
    entry = asked.entry
    facts: Mapping[str, object] = {
        "method": METHOD,
        "scorer": [spec, entry.version, entry.fingerprint, entry.distribution],
        "rivals": [[one.label, one.entry.version, one.entry.fingerprint] for one in rivals],
        "settings": msgspec.to_builtins(settings),
    }
    rows = ([one.part, msgspec.to_builtins(one.rated)] for one in sets)
    return rows_fingerprint([facts, *rows])
