"""Lines that were taken out of a run folder: what hangs on them is not kept."""

from __future__ import annotations

import json

import msgspec
import pytest
from support.scripted import Talker, Talks

import empeval
from empeval import Generator, ModelCard, Response, Run, UsageError, api

TASK = "Talks"


def talker(says=""):
    """A talker that begins its replies with a word; it is the same model for the run spec."""
    made = Talker()
    replies = made.generate

    def generate(items, sampling):
        for reply in replies(items, sampling):
            yield msgspec.structs.replace(reply, response=says + reply.response)

    made.generate = generate
    return made


@pytest.fixture
def ask(tmp_path):
    def run(says="", last=False, **more):
        task = Talks(last=last)
        return empeval.run(talker(says), [task], ["surface"], out=tmp_path / "run", **more)

    return run


def take_out(path, ids):
    rows = [line for line in path.read_text().splitlines() if json.loads(line)["id"] not in ids]
    path.write_text("".join(f"{row}\n" for row in rows))


def unfinish(run):
    fields = {"status": "running", "scored": {}, "sealed": {}}
    run.write_manifest(msgspec.structs.replace(run.manifest, **fields))
    (run.path / "metrics.json").unlink()


def replies(run):
    return {line.id: line.response for line in (*run.responses(TASK), *run.steps(TASK))}


def assert_whole(run):
    """Every turn holds the replies that stand in the folder, and every score is of its answer."""
    said = replies(run)
    scores = {s.id: s.values["words"] for s in run.scores(TASK, "surface")}
    for line in (*run.responses(TASK), *run.steps(TASK)):
        dialogue = line.id.partition("#")[0]
        own = [m.content for m in line.item.messages if m.role == "assistant"]
        assert own == [said[f"{dialogue}#{n}"] for n in range(1, line.item.turn)], line.id
    for line in run.responses(TASK):
        assert scores[line.id] == len(line.response.split()), line.id


@pytest.mark.parametrize("finished", [True, False])
def test_turns_behind_a_lost_one_are_asked_again(ask, finished):
    """Else they would answer a reply that is no longer there."""
    run = ask()
    before = replies(run)
    if not finished:
        unfinish(run)
    for path in (run.responses_path(TASK), run.scores_path(TASK, "surface")):
        take_out(path, {"1#2"})
    found = ask("Well, ")
    assert_whole(found)
    new = {name for name, text in replies(found).items() if text != before[name]}
    assert new == {"1#2", "1#3"}


def test_a_lost_step_is_asked_again_with_all_that_comes_after_it(ask):
    run = ask(last=True)
    before = replies(run)
    unfinish(run)
    take_out(run.steps_path(TASK), {"1#1"})
    take_out(run.responses_path(TASK), {"1#3"})
    found = ask("Well, ", last=True)
    assert_whole(found)
    new = {name for name, text in replies(found).items() if text != before[name]}
    assert new == {"1#1", "1#2", "1#3"}


def test_a_finished_dialogue_stays_as_it_is_without_its_steps(ask):
    run = ask(last=True)
    answers = run.responses_path(TASK).read_bytes()
    take_out(run.steps_path(TASK), {"1#1", "1#2"})
    assert ask("Well, ", last=True).complete
    unfinish(run)
    ask("Well, ", last=True)
    assert run.responses_path(TASK).read_bytes() == answers


def test_the_score_of_an_answer_that_is_lost_is_not_that_of_the_next_one(ask):
    run = ask()
    take_out(run.responses_path(TASK), {"4#3"})
    found = ask("Well, this is another answer. ")
    assert replies(found)["4#3"].startswith("Well, ")
    assert_whole(found)


class Fixed(Generator):
    """Says one thing."""

    def __init__(self, target="", *, text="Oh."):
        self.text = text

    @property
    def card(self):
        return ModelCard(name=self.text, fingerprint=self.text)

    def generate(self, items, sampling):
        for item in items:
            yield Response(item.id, self.text)


def test_a_run_that_is_slower_than_another_one_does_not_take_its_folder_for_its_own(
    tmp_path, monkeypatch
):
    """Both found the folder free; the other one is finished when this one gets hold of it."""
    out = tmp_path / "run"
    lock = api.locked

    def later(path):
        monkeypatch.setattr(api, "locked", lock)
        empeval.run(Fixed(text="I am so sorry."), [Talks()], ["surface"], out=out)
        return lock(path)

    monkeypatch.setattr(api, "locked", later)
    with pytest.raises(UsageError, match="holds a run of another run spec"):
        empeval.run(Fixed(text="Whatever."), [Talks()], ["surface"], out=out)
    assert {line.response for line in Run(out).responses(TASK)} == {"I am so sorry."}
