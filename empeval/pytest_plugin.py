"""pytest plugin: gate a release in a test suite. It does nothing unless it is asked for.

::

    def test_the_new_release_is_not_worse(assert_no_regression):
        assert_no_regression("empeval-runs/NEW", baseline="empeval-runs/OLD", policy="gate.toml")

or ``pytest --empeval-candidate NEW --empeval-baseline OLD --empeval-policy gate.toml``, which adds
a test of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from empeval.gating.verdict import Verdict

OPTIONS = ("candidate", "baseline", "policy")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("empeval", "gate a run of empeval")
    helps = ("the run in question", "the run to hold it against, or latest-passed", "gate.toml")
    for name, text in zip(OPTIONS, helps, strict=True):
        group.addoption(f"--empeval-{name}", metavar="PATH", default=None, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a candidate without what it takes to gate it."""
    if config.getoption("--empeval-candidate"):
        missing = [n for n in OPTIONS[1:] if not config.getoption(f"--empeval-{n}")]
        if missing:
            raise pytest.UsageError(
                f"--empeval-candidate needs --empeval-{' and --empeval-'.join(missing)}, too"
            )


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add the gate as a test, when a candidate is given."""
    if session.config.getoption("--empeval-candidate"):
        items.append(GateItem.from_parent(session, name="empeval gate"))


class GateItem(pytest.Item):
    """The gate that the command line asks for."""

    def runtest(self) -> None:
        """Apply the policy."""
        option = self.config.getoption
        check(
            option("--empeval-candidate"),
            option("--empeval-baseline"),
            option("--empeval-policy"),
        )

    def repr_failure(self, excinfo: Any, style: Any = None) -> str:
        """The message without a traceback: no code of the user's is at fault."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is from."""
        return Path("empeval"), None, "empeval gate"


@pytest.fixture(name="assert_no_regression")
def assert_no_regression_fixture(request: pytest.FixtureRequest) -> Callable[..., Verdict]:
    """``assert_no_regression(candidate, baseline=None, policy=None)``.

    ``baseline`` and ``policy`` are those of the command line when they are left out. ``policy`` is
    a TOML file or a mapping. Returns the verdict; fails the test on a regression, and on an
    inconclusive outcome when the policy says that it blocks.
    """

    def assert_no_regression(
        candidate: str | Path,
        baseline: str | Path | None = None,
        policy: str | Path | Mapping[str, Any] | None = None,
    ) -> Verdict:
        __tracebackhide__ = True
        option = request.config.getoption
        return check(
            candidate,
            option("--empeval-baseline") if baseline is None else baseline,
            option("--empeval-policy") if policy is None else policy,
        )

    return assert_no_regression


def check(
    candidate: str | Path,
    baseline: str | Path | None,
    policy: str | Path | Mapping[str, Any] | None,
) -> Verdict:
    """Gate a run; ``pytest.fail`` where it does not pass.

    Args:
        candidate: a run folder.
        baseline: a run folder, or ``latest-passed`` (beside the candidate).
        policy: a TOML file, or what it holds.

    Returns:
        The verdict of a gate that passed.
    """
    __tracebackhide__ = True
    from empeval.errors import EmpevalError
    from empeval.gating.passed import find_base
    from empeval.gating.verdict import gate
    from empeval.runs import Run

    if baseline is None or policy is None:
        lacking = "baseline" if baseline is None else "policy"
        pytest.fail(f"no {lacking}: give it to assert_no_regression or as --empeval-{lacking}",
                    pytrace=False)  # fmt: skip
    try:
        run = Run(candidate)
        verdict = gate(run, find_base(str(baseline), run.path.parent, run), _policy(policy))
    except EmpevalError as error:
        pytest.fail(f"empeval: {error}", pytrace=False)
    if verdict.outcome != "pass":
        pytest.fail(_explained(verdict), pytrace=False)
    return verdict


def _policy(policy: str | Path | Mapping[str, Any]) -> Any:
    import msgspec

    from empeval.errors import UsageError
    from empeval.gating.policy import Policy, check_policy, read_policy

    if not isinstance(policy, Mapping):
        return read_policy(Path(policy))
    try:
        made = msgspec.convert(policy, Policy)
    except msgspec.ValidationError as error:
        raise UsageError(f"this is no policy: {error}.") from error
    check_policy(made, "policy")
    return made


def _explained(verdict: Verdict) -> str:
    from empeval.gating.documents import audits

    lines: Iterable[str] = (
        f"  {check.outcome}: {check.kind}: {check.name}: {check.said}" for check in verdict.checks
    )
    ends = f"{verdict.comparison.candidate} against {verdict.comparison.base}"
    known = [f"  {text}" for text in audits(verdict)]
    return "\n".join([f"empeval gate: {verdict.outcome}: {ends}", *lines, *known])
