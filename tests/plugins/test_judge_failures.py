"""What is left of a run when a judge that is asked anew cannot be asked, or says nothing usable."""

from __future__ import annotations

import pytest
from support.judging import uri
from support.model_server import KEY

from empeval import Run
from empeval.runs import require_unchanged

RUN = ("run", "--model", "human:", "--tasks", "ed-mini", "--limit", "3", "--out", "run")


def state():
    """What a run says of its judge: status, entry, scores and metrics."""
    run = Run("run")
    require_unchanged(run)
    ((label, entry),) = run.manifest.scorers["ed-mini"].items()
    scores = {s.id: s for s in run.scores("ed-mini", label)}
    return run.manifest.status, entry, scores, run.metrics(), run.manifest.audits


@pytest.mark.parametrize("verb", ["score", "run"])
def test_scores_stay_where_another_judge_of_their_name_cannot_be_asked(
    cli, judge_server, rubric, tmp_path, verb
):
    scorer = uri(judge_server, rubric)
    assert cli(*RUN, "--scorers", scorer).code == 0
    first = state()
    assert first[0] == "complete"
    rubric.write_text(rubric.read_text().replace("Judge.", "Judge well."))
    judge_server.key = KEY  # of which the environment knows nothing
    again = (*RUN, "--scorers", scorer) if verb == "run" else ("score", "run", "--scorers", scorer)
    failed = cli(*again)
    assert failed.code == 2
    assert "refuses" in failed.err
    assert failed.out == "", "no table of what was there before"
    assert state() == first
    assert not list(tmp_path.rglob("*aside*"))
    judge_server.key = ""
    assert cli(*again).code == 0
    assert state()[1] != first[1]
    assert not list(tmp_path.rglob("*aside*"))


def test_scores_of_an_unfinished_run_stay_too(cli, judge_server, rubric):
    scorer = uri(judge_server, rubric)
    assert cli(*RUN, "--scorers", scorer).code == 0
    judge_server.key = KEY
    other = rubric.with_name("other.yaml")
    other.write_text(rubric.read_text().replace("name: two", "name: three"))
    assert cli("score", "run", "--scorers", uri(judge_server, other)).code == 2
    assert state()[0] == "complete"


def test_a_judge_of_whom_nothing_could_be_read_is_an_error_with_the_first_reason(
    cli, judge_server, rubric
):
    judge_server.answer = lambda question, request: {
        "text": "I like it.",
        "prompt_tokens": 100,
        "completion_tokens": 10,
    }
    made = cli(*RUN, "--scorers", uri(judge_server, rubric))
    assert made.code == 1
    assert "answers got a score" in made.err
    assert "unparsed" in made.err
    assert "judge_tokens" in made.out, "what it took is told all the same"
