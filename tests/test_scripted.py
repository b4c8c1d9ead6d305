"""Dialogues whose replies are the model's own: asked turn by turn, kept, resumed, compared."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from pathlib import Path

import pytest
from support.command import finish, start
from support.scripted import Talker, Talks

import empeval
from empeval import Blank, DataError, Item, Message, Response, Run, Turn
from empeval.report import build_report
from empeval.scripts import turn_items
from empeval.testing import TaskContract

TASK = "Talks"
HERE = Path(__file__).resolve().parent / "support" / "scripted.py"


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Runs a talker on the talks and returns the run."""
    monkeypatch.chdir(tmp_path)

    def run(generator=None, task=None, out="run", **more):
        return empeval.run(
            generator or Talker(), [task or Talks()], ["surface"], out=tmp_path / out, **more
        )

    return run


def lines(run):
    return {line.id: line for line in run.responses(TASK)}


def texts(run):
    return {name: line.response for name, line in lines(run).items()}


class TestContract(TaskContract):
    @pytest.fixture
    def task(self):
        return Talks()


class TestContractOfScoredEnds(TaskContract):
    @pytest.fixture
    def task(self):
        return Talks(last=True)


def test_each_turn_is_asked_with_the_models_own_replies_before_it(ask):
    talker = Talker()
    replies = texts(ask(talker))
    asked = talker.seen["1#3"]
    assert [m.role for m in asked] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [m.content for m in asked if m.role == "assistant"] == [replies["1#1"], replies["1#2"]]
    assert asked[-1].content == "This is thing 3 that happened to person 1."
    assert len(set(replies.values())) == len(replies) == 11


def test_a_turn_is_asked_together_with_the_same_turn_of_the_other_dialogues(ask):
    talker = Talker()
    ask(talker)
    assert talker.asked == [
        *("1#1", "2#1", "3#1", "4#1"),
        *("1#2", "2#2", "3#2", "4#2"),
        *("1#3", "3#3", "4#3"),
    ]


def test_every_reply_is_a_line_that_holds_its_question(ask):
    line = lines(ask(system="Be brief."))["4#2"]
    assert line.item.turn == 2
    assert line.item.cluster == "talk 4"
    assert line.item.reference == "Oh, thing 2!"
    assert line.item.metadata == {"mood": "low", "dialogue": "4", "turn": 2, "turns": 3}
    assert line.item.messages[0] == Message("system", "Be kind."), "the item's, not the run's"


def test_the_runs_system_message_stands_before_every_turn(ask):
    talker = Talker()
    ask(talker, system="Be brief.")
    assert {m[0].content for m in talker.seen.values()} == {"Be brief.\n\nBe kind."}


def test_intervals_count_dialogues(ask):
    run = ask()
    entry = run.manifest.tasks[TASK]
    assert (entry.n_items, entry.n_clusters) == (11, 4)
    (words,) = [m for m in run.metrics() if m.metric == "words"]
    assert (words.n, words.n_clusters) == (11, 4)
    by_talk = {}
    for line in run.responses(TASK):
        by_talk.setdefault(line.item.cluster, []).append(len(line.response.split()))
    mean = sum(map(sum, by_talk.values())) / 11
    off = sum(sum(n - mean for n in talk) ** 2 for talk in by_talk.values())
    half = 3.182446 * (4 / 3 * off) ** 0.5 / 11  # Student's t, 3 degrees of freedom
    assert words.ci_high - words.ci_low == pytest.approx(2 * half, rel=1e-5)


def test_a_limit_counts_dialogues(ask):
    assert set(lines(ask(limit=2))) == {"1#1", "1#2", "1#3", "2#1", "2#2"}


def test_a_failed_turn_ends_its_dialogue_and_no_other(ask):
    found = lines(ask(Talker(fails="3#2")))
    assert {name for name, line in found.items() if line.status == "error"} == {"3#2", "3#3"}
    assert found["3#3"].note == "turn 2 of this dialogue failed: the line is dead"
    assert found["3#3"].response == ""


def test_the_cause_is_the_first_turn_that_failed(ask):
    found = lines(ask(Talker(fails="3#1")))
    assert found["3#2"].note == found["3#3"].note
    assert found["3#3"].note == "turn 1 of this dialogue failed: the line is dead"


def test_a_dialogue_that_failed_is_asked_again_from_the_turn_that_failed(ask):
    ask(Talker(fails="3#2"))
    Path("mended").touch()
    talker = Talker(fails="3#2")
    run = ask(talker)
    assert run.complete
    assert {line.status for line in run.responses(TASK)} == {"ok"}
    assert {"3#2", "3#3"} <= set(talker.asked)
    assert not [name for name in talker.asked if name.endswith("#1")]
    assert run.manifest.discarded.prompt_tokens == 7


def test_a_limit_of_tokens_stops_in_the_middle_of_dialogues_and_goes_on(ask):
    whole = texts(ask(out="whole"))
    with pytest.raises(empeval.EmpevalError, match="turns of Talks are not answered"):
        ask(max_tokens_total=28)
    assert 0 < len(texts(Run("run"))) < 11
    assert texts(ask(max_tokens_total=1000)) == whole


def command(*more):
    return (
        *("run", "--model", f"{HERE}:Talker", "--tasks", f"{HERE}:Talks", "--scorers", "surface"),
        *("--task-args", "Talks.count=20", *more),
    )


def test_a_run_that_is_killed_within_dialogues_ends_with_the_same_answers(tmp_path):
    peaceful = finish(start(*command("--out", "peaceful"), folder=tmp_path))
    assert peaceful.code == 0, peaceful.err
    slow = command("--out", "killed", "--model-args", "pause=0.03")
    written = tmp_path / "killed/responses/Talks.jsonl"
    for least in (25, 45):
        process = start(*slow, folder=tmp_path)
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            if written.exists() and written.read_bytes().count(b"\n") >= least:
                break
            time.sleep(0.005)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    with written.open("ab") as file:
        file.write(b'{"id":"9#3","resp')  # torn, as a power cut leaves it
    ended = finish(start(*slow, folder=tmp_path))
    assert ended.code == 0, ended.err
    whole, killed = Run(tmp_path / "peaceful"), Run(tmp_path / "killed")
    assert texts(killed) == texts(whole)
    assert len(texts(killed)) == 59
    assert killed.metrics() == whole.metrics()


def test_two_models_are_compared_by_what_they_were_asked(ask, cli):
    ask(Talker(name="one"), out="one")
    ask(Talker(name="two"), out="two")
    one, two = lines(Run("one")), lines(Run("two"))
    assert {n: x.item_hash for n, x in one.items()} == {n: x.item_hash for n, x in two.items()}
    assert one["1#3"].item.messages != two["1#3"].item.messages
    made = cli("compare", "one", "two")
    assert made.code in (0, 1), made.err
    assert "11 of 11 items shared, 4 clusters" in made.out


def test_what_the_user_says_is_part_of_the_question():
    def item(text):
        script = (Turn("Hello."), Turn(text))
        return turn_items(Item("1", (), "1", script=script))[1]

    from empeval.runs import data_fingerprint, item_hash, prompts_hash

    assert item_hash(item("I am sad.")) != item_hash(item("I am glad."))
    scripted = [[Item("1", (), "1", script=(Turn(text),))] for text in ("I", "You")]
    assert len({prompts_hash(items) for items in scripted}) == 2
    assert len({data_fingerprint(items) for items in scripted}) == 2


def test_steps_lie_beside_the_answers_and_are_not_scored(ask):
    run = ask(task=Talks(last=True))
    assert set(lines(run)) == {"1#3", "2#2", "3#3", "4#3"}
    assert {line.id for line in run.steps(TASK)} == {
        *("1#1", "1#2", "2#1", "3#1", "3#2", "4#1", "4#2")
    }
    assert run.manifest.tasks[TASK].n_items == 4
    assert {s.id for s in run.scores(TASK, "surface")} == set(lines(run))
    said = [m.content for m in lines(run)["1#3"].item.messages if m.role == "assistant"]
    steps = {line.id: line.response for line in run.steps(TASK)}
    assert said == [steps["1#1"], steps["1#2"]]


def test_a_failed_step_ends_its_dialogue_and_is_asked_again(ask):
    first = lines(ask(Talker(fails="1#1"), Talks(last=True)))
    assert first["1#3"].note == "turn 1 of this dialogue failed: the line is dead"
    Path("mended").touch()
    run = ask(Talker(fails="1#1"), Talks(last=True))
    assert {line.status for line in run.responses(TASK)} == {"ok"}
    assert len(run.steps(TASK)) == 7


@pytest.mark.parametrize("last", [False, True], ids=["every turn", "ends only"])
def test_the_answers_of_a_run_can_be_replayed(ask, last):
    first = ask(task=Talks(last=last))
    again = ask(f"replay:{first.responses_path(TASK)}", Talks(last=last), out="again")
    assert again.manifest.warnings == []
    assert texts(again) == texts(first)
    steps = [{line.id: line.response for line in run.steps(TASK)} for run in (first, again)]
    assert steps[0] == steps[1]


def test_whole_conversations_of_another_program_are_replayed(ask):
    said = ["Oh no.", "And then?", "I am with you."]
    row = {"id": "x", "messages": []}
    for number, reply in enumerate(said, 1):
        text = f"This is thing {number} that happened to person 1."
        row["messages"] += [{"role": "user", "content": text}]
        row["messages"] += [{"role": "assistant", "content": reply}]
    Path("chats.jsonl").write_text(json.dumps(row) + "\n")
    run = ask("replay:chats.jsonl", limit=1)
    assert list(texts(run).values()) == said


def test_a_reply_that_a_file_lacks_ends_its_dialogue(ask):
    rows = [{"id": name, "response": "Oh."} for name in ("1#1", "1#3", "2#1", "2#2")]
    Path("some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = lines(ask("replay:some.jsonl", limit=2))
    assert found["1#2"].status == found["1#3"].status == "missing"
    assert found["1#3"].note == "turn 2 of this dialogue failed: no answer in some.jsonl"
    assert found["2#2"].status == "ok"


def test_people_reply_to_every_turn(ask):
    assert texts(ask("human:", limit=2))["2#2"] == "Oh, thing 2!"


def test_a_spreadsheet_holds_the_dialogue_before_each_reply(ask, cli):
    run = ask()
    assert cli("export", "run", "--out", "tables").code == 0
    text = Path("tables/Talks.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["id"] for row in rows][:4] == ["1#1", "1#2", "1#3", "2#1"]
    assert rows[1]["before"].splitlines()[-1] == f"assistant: {texts(run)['1#1']}"


def test_a_report_shows_each_runs_own_dialogue(ask):
    runs = [ask(Talker(name=name), out=name) for name in ("one", "two")]
    build_report(runs, Path("report.html"))
    page = Path("report.html").read_text("utf-8")
    for run in runs:
        assert texts(run)["1#2"] in page
    assert '"assistant A"' in page
    assert '"assistant B"' in page


def test_a_saved_run_is_scored_again_turn_by_turn(ask, cli):
    ask()
    assert cli("score", "run", "--scorers", "surface").code == 0
    assert len(Run("run").scores(TASK, "surface")) == 11


def test_items_writes_the_users_turns_and_says_what_a_batch_cannot(cli, tmp_path):
    made = cli("items", f"{HERE}:Talks", "--limit", "1", "--system", "Be brief.")
    assert made.code == 0, made.err
    row = json.loads(made.out)
    assert row["script"] == [f"This is thing {n} that happened to person 1." for n in (1, 2, 3)]
    assert row["messages"] == [{"role": "system", "content": "Be brief.\n\nBe kind."}]
    assert "Oh, thing" not in made.out
    batch = cli("items", f"{HERE}:Talks", "--format", "openai-batch", "--model", "m")
    assert batch.code == 2
    assert "a batch asks everything at once" in batch.err


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ([Item("1", (), "1", script=(Turn("Hi."), Turn(" ")))], "without a message"),
        ([Item("1", (), "1")], "without a message"),
        (
            [Item("1", (), "1", script=(Turn("Hi."),), blanks=(Blank("a", "a: ", ("x", "y")),))],
            "script and with blanks",
        ),
        ([Item("1", (), "1", script=(Turn("Hi.", scored=False),))], "no turn is scored"),
        (
            [Item("1", (), "1", script=(Turn("Hi."),)), Item("1#1", (Message("user", "a"),), "1")],
            "doubled item ids: 1#1",
        ),
    ],
)
def test_dialogues_that_cannot_be_asked_are_refused(items, problem):
    from empeval.asked import check_items

    with pytest.raises(DataError, match=problem):
        check_items("talks", items)


def test_a_dry_run_shows_that_replies_are_the_models_own(cli):
    made = cli("run", "--model", f"{HERE}:Talker", "--tasks", f"{HERE}:Talks", "--dry-run")
    assert made.code == 0, made.err
    assert "11 items in 4 clusters" in made.out
    assert "[assistant] (the model's own reply)" in made.out


def test_an_empty_reply_stays_in_the_dialogue(ask):
    class Silent(Talker):
        def generate(self, items, sampling):
            for response in super().generate(items, sampling):
                yield Response(response.id, "" if response.id == "1#1" else response.response)

    found = lines(ask(Silent()))
    assert found["1#1"].status == "empty"
    assert found["1#2"].status == "ok"
    assert found["1#2"].item.messages[2] == Message("assistant", "")
