"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import pytest
from support.made_runs import make_run, normal

POLICY = 'resamples = 500\n[[headline]]\nmetric = "warmth"\nmargin = 0.5\n'


@pytest.fixture
def release(pytester):
    """Runs ``base``, ``good`` and ``bad``, a policy, and the paths to name them by."""
    root = pytester.path / "empeval-runs"
    base = normal(60, 1)
    make_run(root / "base", base)
    make_run(root / "good", [v + e for v, e in zip(base, normal(60, 2, 0, 0.3), strict=True)])
    make_run(root / "bad", [v - 1 + e for v, e in zip(base, normal(60, 3, 0, 0.3), strict=True)])
    (pytester.path / "gate.toml").write_text(POLICY)
    return pytester


def gated(release, candidate, *more):
    return release.runpytest_subprocess(
        "--empeval-candidate", f"empeval-runs/{candidate}", "--empeval-baseline",
        "empeval-runs/base", "--empeval-policy", "gate.toml", *more,
    )  # fmt: skip


def test_without_its_options_it_does_nothing(release):
    release.makepyfile("def test_nothing(): pass")
    result = release.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert "empeval" not in result.stdout.str().replace("empeval-", "").partition("plugins:")[0]


@pytest.mark.parametrize(("candidate", "outcome"), [("good", "passed"), ("bad", "failed")])
def test_the_command_line_adds_a_test_of_its_own(release, candidate, outcome):
    result = gated(release, candidate)
    result.assert_outcomes(**{outcome: 1})
    if outcome == "failed":
        result.stdout.fnmatch_lines(["*empeval gate: regression*", "*warmth: worse by*"])
        assert "Traceback" not in result.stdout.str()


def test_the_fixture_gates_inside_a_suite(release):
    release.makepyfile(
        """
        RULE = {"headline": [{"metric": "warmth", "margin": 0.5}], "resamples": 500}

        def test_good(assert_no_regression):
            verdict = assert_no_regression(
                "empeval-runs/good", baseline="empeval-runs/base", policy="gate.toml")
            assert verdict.outcome == "pass"

        def test_bad(assert_no_regression):
            assert_no_regression("empeval-runs/bad", baseline="empeval-runs/base", policy=RULE)

        def test_options_of_the_command_line(assert_no_regression):
            assert_no_regression("empeval-runs/good")
        """
    )
    result = release.runpytest_subprocess(
        "--empeval-baseline", "empeval-runs/base", "--empeval-policy", "gate.toml"
    )
    result.assert_outcomes(passed=2, failed=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ('"empeval-runs/good"', "no baseline: give it to assert_no_regression"),
        ('"empeval-runs/good", "empeval-runs/base"', "no policy"),
        ('"nowhere", "empeval-runs/base", "gate.toml"', "nowhere does not exist"),
        ('"empeval-runs/good", "latest-passed", "gate.toml"', "has passed a gate"),
        ('"empeval-runs/good", "empeval-runs/base", {}', "this is no policy"),
    ],
)
def test_mistakes_fail_the_test_in_a_sentence(release, call, message):
    release.makepyfile(f"def test_it(assert_no_regression):\n    assert_no_regression({call})\n")
    result = release.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{message}*"])


def test_a_candidate_alone_is_a_usage_error(release):
    result = release.runpytest_subprocess("--empeval-candidate", "empeval-runs/good")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*needs --empeval-baseline and --empeval-policy*"])
