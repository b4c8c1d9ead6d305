"""The reader of a run's files: the same from memory and from the disk, checked, never a list."""

from __future__ import annotations

import gc
import os
import re
import tracemalloc

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.made_runs import SCORER, TASK, make_run, normal

import empeval
from empeval import Run, RunFolderError, Score, Source
from empeval.comparing.two import compare
from empeval.estimates import Columns, item_values
from empeval.runs import ById, Lines, RunFiles, Stored, lines, natural_key

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scores = st.builds(
    Score,
    id=texts,
    status=st.sampled_from(["ok", "error", "refused"]),
    values=st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False), max_size=2),
    note=st.none() | texts,
)


@pytest.fixture(params=["in memory", "on the disk"])
def storage(request, monkeypatch):
    """Where the bytes of a file are kept; the reader must not differ."""
    if request.param == "on the disk":
        monkeypatch.setattr(lines, "HELD", 0)
    return request.param


@pytest.fixture
def big(monkeypatch):
    monkeypatch.setattr(lines, "HELD", 0)


def written(path, records):
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return path


@given(st.lists(scores, max_size=8), st.data())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_lines_are_a_sequence_like_the_list_of_what_was_written(storage, tmp_path, records, data):
    read = Lines(Stored(written(tmp_path / "a.jsonl", records), Score), Score)
    assert list(read) == records
    assert read == records
    assert read != [*records, Score("one more")]
    assert list(reversed(read)) == records[::-1]
    assert (read.ids, list(read.statuses)) == ([r.id for r in records], [r.status for r in records])
    some = data.draw(st.slices(len(records)))
    assert list(read[some]) == records[some]
    for number in range(-len(records), len(records)):
        assert read[number] == records[number]
    with pytest.raises(IndexError):
        read[len(records)]
    assert list(zip(read, read, strict=True)) == list(zip(records, records, strict=True))


@given(st.lists(scores, max_size=8), st.lists(texts, max_size=3))
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_lines_by_id_leave_out_an_id_that_comes_twice(storage, tmp_path, records, others):
    ids = [record.id for record in records]
    expected = {r.id: r for r in records if ids.count(r.id) == 1}
    stored = Stored(written(tmp_path / "a.jsonl", records), Score)
    found = ById(stored, Score)
    assert dict(found) == expected
    assert (sorted(found), len(found)) == (sorted(expected), len(expected))
    turned = Stored(written(tmp_path / "turned.jsonl", records[::-1]), Score)
    assert list(ById(turned, Score)) == list(found)  # whatever the order of the lines
    for name in (*ids, *others):
        assert (name in found) == (name in expected)
        assert found.get(name) == expected.get(name)
        assert found.status_of(name) == (expected[name].status if name in expected else None)
    backwards = list(expected)[::-1]
    assert list(found.of(backwards)) == [expected[name] for name in backwards]
    assert stored.index.doubled == {name for name in ids if ids.count(name) > 1}


def test_a_damaged_line_is_found_before_any_is_used(storage, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id":"a"}\n{"id":"b","status":"fine"}\n{"id":"c"}\n')
    with pytest.raises(RunFolderError, match=r"a\.jsonl, line 2: .*delete that line"):
        Stored(path, Score)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:50_000],
        lambda data: data.replace(b'"id":"a"', b'"id":"z"'),
        lambda data: data.replace(b'"id":"a"', b"'id':'a'"),
    ],
)
def test_a_file_that_changes_under_its_reader_is_noticed(big, tmp_path, change):
    path = written(tmp_path / "a.jsonl", [Score("a", note="x" * 200_000), Score("b")])
    read = Lines(Stored(path, Score), Score)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(RunFolderError, match=r"a\.jsonl was changed while it was read; try again"):
        list(read)


def test_lines_are_not_copied_out_of_a_file_that_was_cut_meanwhile(big, tmp_path):
    run = make_run(tmp_path / "run", [1.0, 2.0, 3.0])
    scores = run.scores(TASK, SCORER)
    path = run.scores_path(TASK, SCORER)
    cut = path.read_bytes()[:-3]
    path.write_bytes(cut)
    list(scores[:1])
    with pytest.raises(RunFolderError, match="was changed while it was read"):
        run.forget(scores, {"0"})
    assert path.read_bytes() == cut


def test_a_run_reads_a_file_once_and_again_when_it_has_changed(storage, tmp_path):
    run = make_run(tmp_path / "run", [1.0, 2.0])
    before = run.scores(TASK, SCORER)
    assert run.scores(TASK, SCORER).stored is before.stored
    with run.journal_scores(TASK, SCORER) as journal:
        journal.append(Score("new", values={"warmth": 3.0}))
    assert run.scores(TASK, SCORER).ids == ["0", "1", "new"]
    assert [score.id for score in before] == ["0", "1"]
    run.scores_path(TASK, SCORER).unlink()
    assert len(run.scores(TASK, SCORER)) == 0


def test_samples_stand_in_the_order_of_their_ids_whatever_the_order_of_lines(storage, tmp_path):
    ids = ["10", "9", "b2", "b11", "1"]
    run = make_run(tmp_path / "run", [1.0, 2.0, 3.0, 4.0, 5.0], ids=ids)
    expected = ["1", "9", "10", "b2", "b11"]
    assert [sample.id for sample in run.samples(TASK)] == expected
    scored = run.scored(TASK, SCORER)
    assert [(s.sample.id, s.score.id) for s in scored] == [(i, i) for i in expected]
    assert [s.score.values["warmth"] for s in scored[1:3]] == [2.0, 1.0]
    assert scored[-1].sample.text == "Answer b11."


def natural_parts(identifier):
    """The order in other words: texts and numbers in turn, then the id itself."""
    parts = re.split(r"([0-9]+)", identifier)
    numbers = [part.lstrip("0") for part in parts[1::2]]
    keys = [(-1, part) for part in parts]
    keys[1::2] = [(len(number), number) for number in numbers]
    return (*keys, (-1, identifier))


@given(st.lists(st.text("0129a#²٣-\0\x01\x02é𝄞\ud800", max_size=7), max_size=8))
@settings(deadline=None, max_examples=200)
def test_keys_have_the_order_of_texts_and_numbers_in_turn(ids):
    assert sorted(ids, key=natural_key) == sorted(ids, key=natural_parts)


def test_forgetting_lines_leaves_the_bytes_of_the_others(storage, tmp_path):
    run = make_run(tmp_path / "run", [1.0, 2.0, 3.0])
    path = run.scores_path(TASK, SCORER)
    odd = [b'{ "id":"a", "more": [1, 2] }\n', b'{"id":"b"}\n', b'{"id":"c","values":{"x":1.0}}\n']
    path.write_bytes(b"".join(odd) + b'{"id":"torn')
    run.forget(run.scores(TASK, SCORER), {"b", "none"})
    assert path.read_bytes() == odd[0] + odd[2]


def test_walking_a_file_holds_a_line_at_a_time(big, tmp_path):
    count, size = 3000, 4000
    path = written(tmp_path / "a.jsonl", (Score(str(n), note="x" * size) for n in range(count)))
    tracemalloc.start()
    try:
        read = Lines(Stored(path, Score), Score)
        assert sum(len(score.note) for score in read) == count * size
        assert sum(len(score.note) for score in reversed(read)) == count * size
        assert tracemalloc.get_traced_memory()[1] < 0.1 * count * size
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_a_file_is_closed_when_nobody_reads_it_any_more(big, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    read = Lines(Stored(written(tmp_path / "a.jsonl", [Score("a")]), Score), Score)
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b"{\n")
    with pytest.raises(RunFolderError):
        Stored(bad, Score)
    assert len(os.listdir("/proc/self/fd")) > before
    del read
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def dialogues(path, count):
    rows = (
        {
            "id": f"d{n}",
            "context": [f"I lost dog number {n}."],
            "response": "Oh no! " * (n % 3) + f"Which of the {n}?",
            "cluster": n // 3,
        }
        for n in range(count)
    )
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def files_of(folder):
    names = ("responses/dialogues.jsonl", "scores/dialogues/surface.jsonl", "metrics.json")
    return [(folder / name).read_bytes() for name in names]


def test_a_run_scored_from_the_disk_is_the_same_bytes_and_compares_alike(tmp_path, monkeypatch):
    file = dialogues(tmp_path / "a.jsonl", 40)
    other = make_run(tmp_path / "other", normal(30, 1))
    again = make_run(tmp_path / "again", [*normal(29, 2), None])
    made, compared = [], []
    for name, held in (("memory", lines.HELD), ("disk", 0)):
        monkeypatch.setattr(lines, "HELD", held)
        run = empeval.score(file, ["surface"], out=tmp_path / name)
        made.append(files_of(run.path))
        with open(run.scores_path("dialogues", "surface"), "r+b") as scored:
            scored.truncate(len(made[0][1]) // 2)
        made.append(files_of(empeval.score(file, ["surface"], out=tmp_path / name).path))
        compared.append(compare(Run(other.path), Run(again.path), resamples=200))
    assert all(one == made[0] for one in made)
    assert compared[0] == compared[1]


def test_counted_values_are_those_of_the_scores_one_by_one(storage, tmp_path):
    run = make_run(tmp_path / "run", [1.0, None, 3.0], failed_as=0.5, unit="points")
    files = RunFiles(run)
    (metric,) = files.metrics(TASK).values()
    scores = files.scores(TASK, SCORER)
    assert isinstance(scores, Columns)  # else each metric would read every line again
    counted = item_values(scores, ["2", "1", "none", "0"], metric)
    assert counted.tolist() == [3.0, 0.5, 0.5, 1.0]
    assert files.unscored(metric) == 1


def test_a_value_of_a_failed_score_counts_only_where_any_status_does(storage, tmp_path):
    run = make_run(tmp_path / "run", [1.0, 2.0])
    path = run.scores_path(TASK, SCORER)
    written(path, [Score("0", values={"warmth": 1.0}), Score("1", "refused", {"warmth": 2.0})])
    scores = RunFiles(run).scores(TASK, SCORER)
    (metric,) = run.metrics()
    ok = msgspec.structs.replace(metric, source=Source("warmth", scale=10.0, failed_as=0.0))
    assert item_values(scores, ["0", "1"], ok).tolist() == [10.0, 0.0]
    every = msgspec.structs.replace(metric, source=Source("warmth", scale=10.0, any_status=True))
    assert item_values(scores, ["0", "1"], every).tolist() == [10.0, 20.0]


def test_files_of_the_same_items_in_the_same_order_share_an_index(tmp_path):
    one, two = (make_run(tmp_path / name, [1.0, 2.0]) for name in ("one", "two"))
    other = make_run(tmp_path / "other", [1.0, 2.0], ids=["1", "0"])
    shared = one.lines(TASK).stored.index
    assert two.lines(TASK).stored.index is shared
    assert one.score_lines(TASK, SCORER).stored.index is shared
    assert other.lines(TASK).stored.index is not shared
    assert [line.id for line in other.lines(TASK)] == ["1", "0"]


def test_a_figure_without_a_scorer_is_no_mean_of_values(tmp_path):
    run = make_run(tmp_path / "run", normal(5, 1))
    (metric,) = run.metrics()
    run.write_metrics([metric, msgspec.structs.replace(metric, scorer="", source=None)])
    assert list(RunFiles(run).metrics(TASK)) == [(SCORER, metric.metric)]
