"""What models said to scorers is kept at once, and is there again."""

from __future__ import annotations

import pytest
from support.made_runs import make_run

from empeval import Response, RunFolderError, StorageError
from empeval.redacting import remember
from empeval.runs import Judgements, heard
from empeval.testing import FakeScorer


def test_what_is_put_there_is_on_the_disk_before_the_file_is_closed(tmp_path):
    path = tmp_path / "judgements" / "judge.jsonl"
    kept = Judgements(path)
    assert "a" not in kept
    assert not path.exists()
    kept["a"] = Response("ignored", "empathy: 4", prompt_tokens=7)
    again = Judgements(path)
    assert again["a"] == Response("a", "empathy: 4", prompt_tokens=7)
    assert (list(again), len(again)) == (["a"], 1)
    kept.close()
    kept["a"] = Response("a", "empathy: 5")  # opens the file anew
    kept.close()
    assert Judgements(path)["a"].response == "empathy: 5"
    with pytest.raises(TypeError, match="not taken back"):
        del kept["a"]


def test_a_torn_last_line_is_no_judgement_and_is_repaired(tmp_path):
    path = tmp_path / "judge.jsonl"
    kept = Judgements(path)
    kept["a"] = Response("a", "one")
    kept.close()
    with open(path, "ab") as file:
        file.write(b'{"id":"b","resp')
    kept = Judgements(path)
    assert list(kept) == ["a"]
    kept["b"] = Response("b", "two")
    kept.close()
    assert list(Judgements(path)) == ["a", "b"]


def test_a_damaged_line_and_a_link_are_refused(tmp_path):
    path = tmp_path / "judge.jsonl"
    path.write_text("{}\n")
    with pytest.raises(RunFolderError, match=r"judge\.jsonl, line 1"):
        list(Judgements(path))
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises((StorageError, RunFolderError)):
        Judgements(link)["a"] = Response("a", "x")
    assert not (tmp_path / "elsewhere.jsonl").exists()


def test_no_secret_is_kept(tmp_path):
    remember({"api_key": "sk-very-secret-0123456789"})
    path = tmp_path / "judge.jsonl"
    kept = Judgements(path)
    secret = "I saw sk-very-secret-0123456789"
    kept["a"] = Response("a", secret, reasoning=secret, note=secret)
    kept.close()
    assert b"very-secret" not in path.read_bytes()


def test_a_scorer_has_them_only_while_it_scores(tmp_path):
    scorer = FakeScorer()
    kept = Judgements(tmp_path / "judge.jsonl")
    during = []

    def fail():
        with heard(scorer, kept):
            during.append(scorer.judgements)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert during == [kept]
    assert scorer.judgements is None


def test_each_scorer_has_a_file_of_its_own(tmp_path):
    run = make_run(tmp_path / "run", [1.0, 2.0])
    for scorer in ("judge:a", "judge:b"):
        kept = run.judgements(scorer)
        kept["question"] = Response("question", f"What {scorer} said.")
        kept.close()
    assert run.judgements("judge:a")["question"].response == "What judge:a said."
    assert len(list((run.path / "judgements").glob("*.jsonl"))) == 2
