"""What an audit of a scorer found, as a record that travels with the scorer.

``empeval audit`` makes a certificate. A scorer's package may hold one for each of its scorers in
``certificates/NAME.json`` beside the scorer's module; it is read as data, nothing is imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from empeval.engines import weights_of
from empeval.errors import counted
from empeval.installed import entry_points
from empeval.interfaces import Scorer
from empeval.records import Estimate
from empeval.references import split_target
from empeval.registry import Component
from empeval.renamed import attributes

NOT_AUDITED = "not audited"
OTHER_VERSION = "audited another version"
OTHER_CHECKPOINT = "audited another checkpoint"
OTHER_ENGINE = "audited with another engine or precision"


class KnownEstimate(Estimate, frozen=True, kw_only=True):
    """An estimate that could be had: of replies, or of pairs of them, in so many dialogues."""

    value: float


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How one value of a scorer agrees with one thing that people rated.

    Attributes:
        rated_set: its short name.
        dimension: what was rated.
        value: which value of the scorer it is compared with; ``a+b+c`` is a sum.
        part: of the rated set, ``test`` or ``all``.
        low, high: the ends of the raters' scale.
        spearman: rank correlation over replies.
        kendall: tau-b over replies.
        pairs_within_dialogue: share of pairs of one dialogue that the scorer orders as people do;
            its ties count half, pairs that people tie are left out.
        pairs_within_system: the same of pairs of replies by one system to different dialogues.
        between_systems: the same of pairs of systems, by their mean.
        quadratic_kappa: after the scores are cut into levels as frequent as the raters'.
        ceiling: how far the raters agree with each other, as ``ceiling_kind`` says.
        share_of_ceiling: ``spearman`` over ``ceiling``.
        against: rival -> ``spearman`` less the rival's, resampled together.
        against_pairs: the same of ``pairs_within_dialogue``.
        rivals: rival -> its own ``spearman``.
        one_rater: one rater's Spearman against the mean of the others.
        length: Spearman of the scores with words; ``length_raters``: of the ratings;
            ``length_excess``: the first less the second, resampled together.
    """

    rated_set: str
    dimension: str
    value: str
    part: str
    low: float = 0.0
    high: float = 0.0
    spearman: KnownEstimate
    kendall: KnownEstimate | None = None
    pairs_within_dialogue: KnownEstimate | None = None
    pairs_within_system: KnownEstimate | None = None
    between_systems: KnownEstimate | None = None
    quadratic_kappa: KnownEstimate | None = None
    ceiling: KnownEstimate | None = None
    ceiling_kind: str = ""
    one_rater: KnownEstimate | None = None
    share_of_ceiling: KnownEstimate | None = None
    against: dict[str, KnownEstimate] = {}
    against_pairs: dict[str, KnownEstimate] = {}
    rivals: dict[str, KnownEstimate] = {}
    length: KnownEstimate | None = None
    length_raters: KnownEstimate | None = None
    length_excess: KnownEstimate | None = None
    license: str | None = None
    source: str = ""
    notes: tuple[str, ...] = ()


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of the text, or of the way of asking, does to the scores.

    Attributes:
        name: for tables.
        kind: ``flattery``, ``invariance``.
        change: mean change of the score, or the share that the rule is about; ``None`` where the
            trial could not be made, which ``note`` explains.
        unit: of ``change``.
        rule: what was asked, in words.
        passed: ``None`` where nothing was decided.
        n: replies.
        sds: ``change`` in standard deviations of the scores over replies.
    """

    name: str
    kind: str
    change: KnownEstimate | None
    unit: str
    rule: str
    passed: bool | None
    n: int
    sds: float | None = None
    note: str = ""


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """What the audited replies look like: the 1st, 50th and 99th percentile of their lengths.

    ``centroid`` and ``radius`` are of the replies' embeddings, where somebody made them.
    """

    words: tuple[float, float, float]
    context_words: tuple[float, float, float]
    language: str
    centroid: tuple[float, ...] = ()
    radius: float | None = None


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an audit found about one scorer.

    Attributes:
        scorer: ``NAME`` or ``NAME:TARGET``.
        version: of the scorer's card.
        fingerprint: of what decides the scores beyond the version (a checkpoint).
        distribution: whose plugin it is, with its version.
        primary: the headline value.
        agreements, trials, domain: what was found.
        milliseconds_alone: median time of one reply, alone.
        replies_per_second: in batches of 32.
        peak_memory_mb: of the whole process, in MB.
        notes: what a reader must know.
        made: when, ISO 8601.
        empeval: the version that made it.
    """

    scorer: str
    version: str
    fingerprint: str | None
    distribution: str
    agreements: tuple[Agreement, ...]
    trials: tuple[Trial, ...]
    milliseconds_alone: KnownEstimate | None
    replies_per_second: KnownEstimate | None
    peak_memory_mb: float | None
    domain: Domain | None
    made: str
    empeval: str
    primary: str
    notes: tuple[str, ...] = ()

    @property
    def headline(self) -> Agreement | None:
        """The agreement on most replies, the one of the primary value where there is one."""
        own = [a for a in self.agreements if a.value == self.primary] or self.agreements
        return max(own, key=lambda a: a.spearman.n, default=None)


def bundled_certificate(scorer: Component | type[Scorer]) -> Certificate | None:
    """The certificate that comes with a scorer's package; ``None`` where there is none to read.

    Args:
        scorer: a registered component, or a scorer's class. Nothing is imported for it.
    """
    for name, module in _registered(scorer):
        path = _beside(module, name)
        if path is not None:
            try:
                return msgspec.json.decode(path.read_bytes(), type=Certificate)
            except (OSError, msgspec.DecodeError, UnicodeDecodeError):
                return None
    return None


def certificate_of(name: str, scorer: Scorer) -> tuple[Certificate | None, str]:
    """The certificate of exactly this scorer, or the reason why there is none.

    Args:
        name: ``NAME`` or ``NAME:TARGET``, as the user wrote it.
        scorer: built.

    Returns:
        The certificate and ``""``; or ``None`` and ``NOT_AUDITED``, ``OTHER_VERSION``,
        ``OTHER_CHECKPOINT`` or ``OTHER_ENGINE``: estimates of another version, of other weights or
        of the same ones computed otherwise are not this one's.
    """
    wanted = split_target(name)[0].rpartition("/")[2]
    found = next(
        (path for n, m in _registered(type(scorer)) if n == wanted and (path := _beside(m, n))),
        None,
    )
    if found is None:
        return None, NOT_AUDITED
    try:
        certificate = msgspec.json.decode(found.read_bytes(), type=Certificate)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None, NOT_AUDITED
    return match(certificate, scorer)


def match(certificate: Certificate, scorer: Scorer) -> tuple[Certificate | None, str]:
    """The certificate where it is this scorer's, or the reason why it is not."""
    if certificate.version != scorer.card.version:
        return None, OTHER_VERSION
    found = scorer.fingerprint()
    if certificate.fingerprint != found:
        same = weights_of(certificate.fingerprint) == weights_of(found)
        return None, OTHER_ENGINE if same else OTHER_CHECKPOINT
    return certificate, ""


def one_line(certificate: Certificate) -> str:
    """The certificate as a sentence of a table.

    The agreement with most replies speaks, so that nobody picks the one that looks best.
    """
    said = []
    best = certificate.headline
    if best is None:
        said.append("agreement with people not measured")
    else:
        n = counted(best.spearman.n, "reply", "replies", spec=",")
        agrees = "agrees" if best.spearman.value > 0 else "does not agree"
        text = f"{agrees} with people: Spearman {short(best.spearman)} on {n}"
        if best.high > best.low:
            text += f" rated {best.low:g}-{best.high:g}"
        if best.share_of_ceiling is not None:
            text += f" ({100 * best.share_of_ceiling.value:.0f} % of raters' ceiling)"
        said.append(text)
    for kind in ("flattery", "invariance"):
        decided = [t.passed for t in certificate.trials if t.kind == kind and t.passed is not None]
        if decided:
            said.append(f"{kind} {sum(decided)} of {len(decided)} passed")
    if not certificate.trials:
        said.append("nothing was tried to fool it")
    return ", ".join(said)


def short(known: KnownEstimate) -> str:
    """A correlation or share with its interval: ``.31 [.25, .37]``."""
    ends = known.interval
    value = _bare(known.value)
    return value if ends is None else f"{value} [{_bare(ends.low)}, {_bare(ends.high)}]"


def _bare(value: float) -> str:
    text = f"{value:.2f}"
    if text in ("0.00", "-0.00"):
        return ".00"
    return text.replace("0.", ".", 1) if abs(value) < 1 and "0." in text else text


def _registered(scorer: Component | type[Scorer]) -> Sequence[tuple[str, str]]:
    """Names and modules under which a scorer is registered."""
    if isinstance(scorer, Component):
        return [(scorer.name, scorer.value.partition(":")[0])]
    value = f"{scorer.__module__}:{scorer.__qualname__}"
    points, _ = entry_points("empeval.scorers")
    return [(entry.name, scorer.__module__) for _, _, entry in points if entry.value == value]


def _beside(module: str, name: str) -> Path | None:
    """``certificates/NAME.json`` in the package of a module, which is not imported."""
    if "/" in name or name.startswith("."):
        return None
    top, *rest = module.split(".")
    try:
        spec: Any = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    for location in getattr(spec, "submodule_search_locations", None) or ():
        folder = Path(location, *rest)
        # a module's certificates lie beside its file, a package's inside of it
        for parent in (folder, folder.parent) if rest else (folder,):
            path = parent / "certificates" / f"{name}.json"
            if path.is_file():
                return path
    return None


if not TYPE_CHECKING:  # a misspelt name stays a mistake
    __getattr__ = attributes(__name__, Figure="KnownEstimate")
