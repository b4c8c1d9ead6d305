"""Names of the last version are read for one version, with a notice that says the new one."""

from __future__ import annotations

import pytest

import empeval
from empeval import certificates
from empeval.testing import scorers
from empeval.testing.scorers import ScorerContract
from empeval.toolkit import read_yaml

VALUE = empeval.ValueCard(name="warmth", unit="points", summary="w", higher_is_better=True)


def test_an_argument_by_its_old_name_is_taken():
    with pytest.warns(DeprecationWarning, match=r"mean_metrics\(figures=\.\.\.\) is called means"):
        (metric,) = empeval.mean_metrics(figures=[empeval.Mean(value=VALUE)], scored=[])
    assert metric.metric == "warmth"


def test_a_notice_is_of_the_line_that_uses_the_old_name():
    with pytest.warns(DeprecationWarning, match="check_metrics") as said:
        assert scorers.check_figures is scorers.check_metrics
    with pytest.warns(DeprecationWarning, match="means") as more:
        empeval.mean_metrics(figures=[], scored=[])
    assert {warning.filename for warning in [*said, *more]} == {__file__}


def test_an_attribute_by_its_old_name_is_the_new_one():
    with pytest.warns(DeprecationWarning, match=r"certificates\.Figure is called KnownEstimate"):
        assert certificates.Figure is certificates.KnownEstimate
    with pytest.raises(AttributeError, match="has no attribute 'Figur'"):
        certificates.Figur  # noqa: B018


def test_a_contract_test_that_is_overridden_by_its_old_name_is_overridden():
    old, new = (f"test_{word}_speak_of_the_samples" for word in ("figures", "metrics"))
    with pytest.warns(DeprecationWarning, match=f"Mine.{old} is called {new}"):

        class Mine(ScorerContract):
            def test_figures_speak_of_the_samples(self):
                return "mine"

    assert getattr(Mine(), new)() == "mine"
    assert not hasattr(Mine, old)


def test_a_document_takes_the_path_of_a_text_by_its_old_name():
    document = read_yaml("a:\n  b: |\n    one\n    two\n", "a.yaml")
    with pytest.warns(DeprecationWarning, match=r"text_line\(place=\.\.\.\) is called keys"):
        assert document.text_line(place=("a", "b"), number=2) == "line 4"
