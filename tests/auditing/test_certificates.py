"""Certificates beside a scorer's module: found without an import, shown of no other scorer."""

from __future__ import annotations

import json
import re
import sys

import msgspec
import pytest
from support.distributions import make_distribution

from empeval import registry
from empeval.certificates import (
    NOT_AUDITED,
    OTHER_CHECKPOINT,
    OTHER_VERSION,
    Agreement,
    Certificate,
    KnownEstimate,
    Trial,
    bundled_certificate,
    certificate_of,
    one_line,
)
from empeval.records import Interval


def agreement(n=100, value="empathy", spearman=0.312, **changes):
    fields = {
        "rated_set": f"set-{n}", "dimension": "empathy", "value": value, "part": "test",
        "low": 1.0, "high": 5.0,
        "spearman": KnownEstimate(value=spearman, interval=Interval(0.251, 0.374), n=n,
                                  clusters=50),
    }  # fmt: skip
    return Agreement(**{**fields, **changes})


def trial(kind, passed):
    return Trial(name="t", kind=kind, change=None, unit="", rule="r", passed=passed, n=1)


def certificate(**changes):
    fields = {
        "scorer": "gentle", "version": "1", "fingerprint": None, "distribution": "gentle 1.0",
        "agreements": (agreement(),), "trials": (), "milliseconds_alone": None,
        "replies_per_second": None, "peak_memory_mb": None, "domain": None, "made": "now",
        "empeval": "0", "primary": "empathy",
    }  # fmt: skip
    return Certificate(**{**fields, **changes})


MODULE = """
from empeval import Score, Scorer, ScorerCard, ValueCard
class Gentle(Scorer):
    card = ScorerCard(version="1", summary="s", needs=("reply",),
                      values=(ValueCard(name="empathy", unit="points", summary="s"),))
    print_of = None
    def score(self, samples):
        return [Score(s.id, values={"empathy": 1.0}) for s in samples]
    def fingerprint(self):
        return self.print_of
"""


@pytest.fixture
def package(tmp_path, install):
    """A package with the scorer ``gentle`` and its certificate; its import would fail loudly."""
    folder = make_distribution(
        tmp_path / "site", "gentle", points={"empeval.scorers": {"gentle": "gentle.deep.s:Gentle"}}
    )
    (folder / "gentle" / "deep" / "certificates").mkdir(parents=True)
    (folder / "gentle" / "__init__.py").write_text("")
    (folder / "gentle" / "deep" / "__init__.py").write_text("")
    (folder / "gentle" / "deep" / "s.py").write_text(MODULE)
    install(folder)
    path = folder / "gentle" / "deep" / "certificates" / "gentle.json"
    path.write_bytes(msgspec.json.encode(certificate()))
    return path


def test_it_is_found_without_importing_the_package(package):
    component = registry.find("scorers", "gentle")
    assert bundled_certificate(component) == certificate()
    assert not [name for name in sys.modules if name.split(".")[0] == "gentle"]


def test_it_is_found_from_the_class_too(package):
    cls = registry.load(registry.find("scorers", "gentle"))
    assert bundled_certificate(cls) == certificate()


def test_it_is_that_scorers_only(package):
    cls = registry.load(registry.find("scorers", "gentle"))
    scorer = cls()
    assert certificate_of("gentle", scorer) == (certificate(), "")
    scorer.print_of = "sha256:other"
    assert certificate_of("gentle", scorer) == (None, OTHER_CHECKPOINT)
    cls.card = msgspec.structs.replace(cls.card, version="2")
    assert certificate_of("gentle", cls()) == (None, OTHER_VERSION)
    package.unlink()
    assert certificate_of("gentle", cls()) == (None, NOT_AUDITED)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1]", b'{"scorer": 4}'])
def test_a_file_that_is_no_certificate_is_none(package, content):
    package.write_bytes(content)
    assert bundled_certificate(registry.find("scorers", "gentle")) is None


def test_a_scorer_without_one_has_none():
    assert bundled_certificate(registry.find("scorers", "surface")) is None


def test_the_line_is_of_the_set_with_most_replies_and_the_headline_value():
    made = certificate(
        agreements=(
            agreement(50, spearman=0.9),
            agreement(803, share_of_ceiling=KnownEstimate(value=0.578)),
            agreement(2000, value="other", spearman=0.8),
        ),
        trials=(trial("flattery", True), trial("flattery", False), trial("flattery", None),
                trial("invariance", True)),
    )  # fmt: skip
    assert one_line(made) == (
        "agrees with people: Spearman .31 [.25, .37] on 803 replies rated 1-5 "
        "(58 % of raters' ceiling), flattery 1 of 2 passed, invariance 1 of 1 passed"
    )
    against = certificate(agreements=(agreement(50, spearman=-0.54),), trials=())
    assert one_line(against).startswith("does not agree with people: Spearman -.54")
    tried = (trial("flattery", True),)
    assert one_line(certificate(agreements=(), trials=tried)) == (
        "agreement with people not measured, flattery 1 of 1 passed"
    )
    assert one_line(certificate(agreements=(), trials=())) == (
        "agreement with people not measured, nothing was tried to fool it"
    )


def test_show_prints_it(cli, package):
    outcome = cli("show", "gentle")
    assert outcome.code == 0, outcome.err
    assert "agrees with people: Spearman .31 [.25, .37] on 100 replies" in outcome.out
    assert "set-100 empathy" in outcome.out
    (shown,) = json.loads(cli("show", "gentle", "--format", "json").out)
    assert shown["certificate"]["primary"] == "empathy"


def test_show_prints_the_rivals_and_each_trial_within_a_terminals_width(cli, package, monkeypatch):
    found = KnownEstimate(value=0.024, interval=Interval(0.014, 0.035), n=60)
    trials = (
        Trial(name="a stock phrase", kind="flattery", change=found, unit="points", n=60, sds=0.42,
              rule="adds no more than 0.0114 (0.2 sd) on average", passed=False),
        Trial(name="capitals", kind="flattery", change=found, unit="points", n=58, sds=0.11,
              rule="moves the score by no more than 0.1", passed=True),
        Trial(name="device", kind="invariance", change=None, unit="", n=0, passed=None,
              rule="no score moves", note="no GPU here"),
    )  # fmt: skip
    less = KnownEstimate(value=0.22, interval=Interval(0.14, 0.3), n=100)
    rated = msgspec.structs.replace(agreement(), against={"length": less, "similarity": less})
    package.write_bytes(msgspec.json.encode(certificate(agreements=(rated,), trials=trials)))
    monkeypatch.setenv("COLUMNS", "80")
    out = cli("show", "gentle").out
    assert max(map(len, out.splitlines())) <= 80
    rows = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    assert ["less a rival's", "length", "similarity"] in rows
    assert ["set-100 empathy", ".22 [.14, .30]", ".22 [.14, .30]"] in rows
    changed = ["+0.024 [+0.014, +0.035]", "points"]
    assert ["a stock phrase", "NO", *changed, "+0.42", "60"] in rows
    assert ["capitals", "yes", *changed, "+0.11", "58"] in rows
    assert ["device", "-", "-", "-", "0"] in rows
    assert "asked: adds no more than 0.0114 (0.2 sd) on average" in " ".join(out.split())
    (shown,) = json.loads(cli("show", "gentle", "--format", "json").out)
    made = certificate(agreements=(rated,), trials=trials)
    assert msgspec.convert(shown["certificate"], Certificate) == made


@pytest.mark.parametrize("form", ["csv", "latex"])
def test_show_prints_one_table_where_a_table_stands_alone(cli, package, form):
    tables = {"csv": "what,value", "latex": "begin{tabular}"}
    out = cli("show", "gentle", "--format", form).out
    assert out.count(tables[form]) == 1
    assert "set-100" not in out


def test_show_does_not_print_another_checkpoints(cli, package):
    package.write_bytes(msgspec.json.encode(certificate(fingerprint="sha256:other")))
    assert OTHER_CHECKPOINT in cli("show", "gentle").out


def test_show_says_so_where_there_is_none(cli):
    assert NOT_AUDITED in cli("show", "surface").out
