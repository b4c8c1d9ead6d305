"""Preference pairs: rules, order, leaks, and files that a person edited."""

from __future__ import annotations

import json

import pytest

from empeval import DataError
from empeval_training.eq.esconv import SUPPORTER, read_failed, read_talks
from empeval_training.eq.pairs import (
    DRAWN,
    FAR,
    RULES,
    count_rules,
    make_pairs,
    read_pairs,
    without_leaks,
)
from empeval_training.eq.prepare import prepare_dpo

pytestmark = pytest.mark.usefixtures("at_mirror")


@pytest.fixture
def talks(at_mirror):
    return {talk.id: talk for talk in read_talks("train")}


@pytest.fixture
def pairs(talks):
    return make_pairs(list(talks.values()), read_failed(), None, 17)


def test_every_rule_is_used_about_as_often_and_is_known(pairs):
    counts = count_rules(pairs)
    assert set(counts) == set(DRAWN) <= set(RULES)
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_chosen_is_what_the_supporter_said_there(pairs, talks):
    for pair in pairs:
        talk_id, _, rest = pair.id.partition("#")
        place = int(rest.partition("~")[0])
        turn = talks[talk_id].merged().turns[place - 1]
        assert turn.speaker == SUPPORTER
        assert pair.chosen[0].content == turn.text
        assert pair.rejected[0].content.strip() not in ("", turn.text)
        assert pair.prompt[-1].role == "user"
        assert pair.prompt[-1].content == talks[talk_id].merged().turns[place - 2].text


def test_rejected_is_what_the_rule_says(pairs, talks):
    failed = {t.text for talk in read_failed() for t in talk.merged().turns}
    homes = {t.text: talk.id for talk in talks.values() for t in talk.merged().turns}
    for pair in pairs:
        talk_id, _, rest = pair.id.partition("#")
        turns = talks[talk_id].merged().turns
        place = int(rest.partition("~")[0]) - 1
        rejected = pair.rejected[0].content
        if pair.rule == "failed-talk":
            assert rejected in failed
        elif pair.rule == "other-talk":
            assert homes[rejected] != talk_id
        else:
            (other,) = [n for n, t in enumerate(turns) if t.text == rejected]
            assert abs(other - place) >= FAR
            assert turns[other].strategy != turns[place].strategy


def test_better_rated_talks_come_first_and_a_limit_keeps_those(talks, pairs):
    ratings = [pair.rating or 0 for pair in pairs]
    assert ratings == sorted(ratings, reverse=True)
    few = make_pairs(list(talks.values()), read_failed(), 10, 17)
    assert [p.id for p in few] == [p.id for p in pairs[:10]]


def test_the_same_seed_gives_the_same_pairs(talks, pairs):
    assert make_pairs(list(talks.values()), read_failed(), None, 17) == pairs
    assert make_pairs(list(talks.values()), read_failed(), None, 18) != pairs


def test_without_failed_talks_the_other_rules_remain(talks):
    assert set(count_rules(make_pairs(list(talks.values()), [], None, 17))) == {
        "other-strategy",
        "other-talk",
    }


def test_a_talk_that_shares_a_long_turn_with_a_held_out_one_is_left_out(talks):
    held = list(read_talks("test"))
    clean = list(talks.values())
    assert without_leaks(clean, held) == clean
    assert without_leaks([*clean, held[0]], held) == clean


def test_training_sees_no_reply_of_the_held_out_pairs(tmp_path):
    prepare_dpo(tmp_path, limit=None, validation=50, seed=17)
    train, held = (
        {
            pair.rejected[0].content
            for pair in read_pairs(tmp_path / f"pairs-{split}.jsonl")
            if pair.rule == "failed-talk"
        }
        for split in ("train", "validation")
    )
    assert train
    assert held
    assert not train & held


GOOD = {
    "prompt": [{"role": "user", "content": "I failed."}],
    "chosen": [{"role": "assistant", "content": "Oh no. Which exam?"}],
    "rejected": [{"role": "assistant", "content": "So what."}],
}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_of_plain_texts_are_read_too(tmp_path):
    plain = {"prompt": "I failed.", "chosen": "Oh no. Which exam?", "rejected": "So what."}
    one, two = read_pairs(write(tmp_path / "pairs.jsonl", GOOD, plain))
    assert (one.prompt, one.chosen, one.rejected) == (two.prompt, two.chosen, two.rejected)
    assert one.rule == "given"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rejected": "Oh no. Which exam?", "chosen": " Oh no. Which exam? "}, "are the same"),
        ({"rejected": "  "}, "'rejected' is empty"),
        ({"chosen": []}, "'chosen' is empty"),
        ({"prompt": ""}, "'prompt' is empty"),
        ({"prompt": [{"role": "assistant", "content": "Hi."}]}, "does not end with a user's turn"),
        ({"chosen": 3}, "Expected `array`"),
    ],
)
def test_lines_that_are_no_pairs_are_named(tmp_path, change, message):
    path = write(tmp_path / "pairs.jsonl", GOOD, {**GOOD, **change}, GOOD)
    with pytest.raises(DataError, match=r"pairs\.jsonl: line 2: ") as caught:
        read_pairs(path)
    assert message in str(caught.value)


def test_many_wrong_lines_are_counted(tmp_path):
    path = write(tmp_path / "pairs.jsonl", *[{**GOOD, "rejected": ""}] * 9)
    with pytest.raises(DataError, match="line 5: 'rejected' is empty; and 4 more lines"):
        read_pairs(path)


def test_a_file_without_pairs_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no pairs"):
        read_pairs(write(tmp_path / "pairs.jsonl"))
