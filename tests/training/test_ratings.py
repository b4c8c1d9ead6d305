"""People's ratings as the EQ pipeline looks at them: which files it takes, and what a row has."""

from __future__ import annotations

import pytest
from support.rated_files import condolence, exchange, post, reply, write_posts
from support.support_talks import write_lines

from empeval import DataError, UsageError
from empeval_training.ratings import read_rated


def write(folder, posts=None, replies=None):
    write_posts(folder / "levels.csv", [post()] if posts is None else posts)
    write_lines(folder / "three.jsonl", [reply()] if replies is None else replies)
    return folder


def test_levels_and_ratings_are_read_whatever_the_files_are_called(tmp_path):
    first, second = read_rated(write(tmp_path))
    assert (first.source, first.context) == ("epitome", ("I failed the exam number 1.",))
    assert first.values == {"er": 1, "ip": 0, "ex": 2, "sum": 3}
    assert (second.source, second.reply, second.emotion) == ("ratings", "Oh, how sad.", "sad")
    assert second.values == {"rating": 3}
    assert first.id != second.id


def test_the_other_sets_are_read_where_they_are_there(tmp_path):
    write_lines(tmp_path / "a.jsonl", [exchange(1, 1, empathy=2)])
    write_lines(tmp_path / "b.jsonl", [condolence(1, raters=[1, 4])])
    (tmp_path / "README.md").write_text("Notes.")
    found = {r.source: r.values for r in read_rated(write(tmp_path))}
    assert set(found) == {"epitome", "ratings", "exchanges", "condolence"}
    assert found["exchanges"] == {"rating": 2}
    assert found["condolence"] == {"rating": 2.5}


@pytest.mark.parametrize(
    ("missing", "name"), [("levels.csv", "epitome"), ("three.jsonl", "ratings-1-3")]
)
def test_a_missing_set_is_named(tmp_path, missing, name):
    (write(tmp_path) / missing).unlink()
    with pytest.raises(UsageError, match=f"no file with the rated set {name}"):
        read_rated(tmp_path)


def test_a_broken_line_is_named(tmp_path):
    write(tmp_path)
    with open(tmp_path / "three.jsonl", "a") as file:
        file.write("{broken\n")
    with pytest.raises(DataError, match="line 2"):
        read_rated(tmp_path)


def test_parts_share_no_dialogue(tmp_path):
    posts = [post(n % 200, rp_id=f"r{n}") for n in range(600)]
    replies = [reply(n % 200, system=f"model {n}") for n in range(600)]
    rated = read_rated(write(tmp_path, posts, replies))
    for source in ("epitome", "ratings"):
        homes = [
            {r.dialogue for r in rated if (r.source, r.part) == (source, part)}
            for part in ("train", "validation", "test")
        ]
        assert sum(map(len, homes)) == len(set.union(*homes)) == 200
        assert 120 <= len(homes[0]) <= 160  # about 70 %
