"""The teacher end to end: on a random encoder and rated files of a few hundred rows."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import spearmanr
from support.rated_files import EXCHANGED, RATED, SPLITS, teacher_rows
from transformers import TrainerCallback

from empeval import UsageError
from empeval.data import use_data_directory
from empeval_training import stages
from empeval_training.teacher.data import free_groups, read_rated_sets
from empeval_training.teacher.recipe import load_teacher_recipe
from empeval_training.teacher.targets import HEADS, MOST_OF_A_DIALOGUE, NAMES, rated_groups
from empeval_training.teacher.training import TeacherReader, conversations
from empeval_training.variants import SAME


@pytest.fixture
def run(run_teacher):
    return run_teacher


@pytest.fixture
def sets(rated, rated_mirror):
    with use_data_directory(rated_mirror):
        return read_rated_sets(rated)


def weights(out):
    return load_file(out / "stages" / "teacher.safetensors")


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert torch.allclose(weight, other[name], atol=1e-6), name


def test_a_teacher_learns_what_people_said(teacher, sets):
    result = json.loads((teacher / "result.json").read_text())
    assert list(result["validation"]) == [n for n in NAMES if n != "relevance"]
    by_name = {s.name: s for s in sets}
    reader = TeacherReader.load(teacher)
    for number, head in enumerate(HEADS[:-1]):
        validation = by_name[head.rated_set].only("validation")
        own = result["validation"][head.name]
        assert own["n"] == len(validation.replies)
        latents = reader.latents(teacher_rows(validation.replies))[:, number]
        said = [r.mean(head.dimension) for r in validation.replies]
        assert own["spearman"] == pytest.approx(spearmanr(latents, said).statistic, abs=2e-3)
    # the ratings go with the words: even a random encoder tells three sentences apart
    assert result["validation"]["exchanges"]["spearman"] > 0.4
    mechanisms = ("emotional_reaction", "interpretation", "exploration")
    assert max(result["validation"][name]["spearman"] for name in mechanisms) > 0.4


def test_the_same_seed_gives_the_same_teacher_and_another_seed_another(teacher, run, tmp_path):
    run(tmp_path / "again")
    assert_same(weights(teacher), weights(tmp_path / "again"))
    run(tmp_path / "other", seed=18)
    name = "heads.weight"
    assert not torch.allclose(weights(teacher)[name], weights(tmp_path / "other")[name], atol=1e-3)


def test_only_the_layers_above_the_frozen_ones_are_in_the_teachers_file(teacher):
    numbers = {n.partition("encoder.layer.")[2].partition(".")[0] for n in weights(teacher)}
    assert numbers == {"0", "1", ""}  # two of three layers, counted from the frozen ones on
    assert not any("embeddings" in name for name in weights(teacher))


class Interrupt(TrainerCallback):
    """Ctrl-C once something is saved."""

    def on_save(self, args, state, control, **_):
        raise KeyboardInterrupt


def test_an_interrupted_teacher_ends_like_one_that_was_not(teacher, run, tmp_path, monkeypatch):
    out = tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(stages, "show_steps", lambda trainer: trainer.add_callback(Interrupt()))
        with pytest.raises(KeyboardInterrupt):
            run(out)
    assert not (out / "result.json").exists()
    assert list((out / "stages" / "teacher").glob("checkpoint-*"))
    result = run(out)
    assert_same(weights(teacher), weights(out))
    whole = json.loads((teacher / "result.json").read_text())
    assert result["validation"] == whole["validation"]


def test_a_finished_teacher_is_left_alone(teacher, run, rated_mirror, capsys):
    before = {p: p.stat().st_mtime_ns for p in teacher.rglob("*")}
    assert run(teacher) == json.loads((teacher / "result.json").read_text())
    assert {p: p.stat().st_mtime_ns for p in teacher.rglob("*")} == before
    assert capsys.readouterr() == ("", "")


def test_other_settings_in_the_same_folder_are_refused(teacher, run, rated, tmp_path):
    for changes in ({"seed": 18}, {"epochs": "2"}):
        with pytest.raises(UsageError, match="another recipe, seed or data"):
            run(teacher, **changes)
    fewer = shutil.copytree(rated, tmp_path / "fewer")
    lines = (fewer / "condolence.jsonl").read_text().splitlines()
    (fewer / "condolence.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UsageError, match="another recipe, seed or data"):
        run(teacher, ratings=fewer)


@pytest.mark.parametrize(
    ("file", "name"),
    [("epitome.csv", "epitome"), ("ratings.jsonl", "ratings-1-3"),
     ("exchanges.jsonl", "exchanges-1-5"), ("condolence.jsonl", "condolence")],
)  # fmt: skip
def test_a_rated_set_that_is_missing_is_named(run, rated, tmp_path, file, name):
    folder = shutil.copytree(rated, tmp_path / "people")
    (folder / file).unlink()
    with pytest.raises(UsageError, match=f"people lacks the rated sets {name}"):
        run(tmp_path / "out", ratings=folder)
    with pytest.raises(UsageError, match="is no folder of rated replies"):
        run(tmp_path / "out", ratings=tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"frozen_layers": "3"}, "frozen_layers is 3, but the encoder has 3 layers"),
     ({"max_length": "200"}, "max_length is 200, but the encoder .* reads at most 96")],
)  # fmt: skip
def test_an_encoder_that_cannot_be_used_leaves_the_folder_free(run, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        run(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_finished_teacher_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no weights of a teacher"):
        TeacherReader.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", "0"), ("learning_rate", "0"), ("free_turns", "-1"), ("max_length", "8"),
     ("frozen_layers", "-1"), ("dropout", "1"), ("precision", "int8")],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=rf"--set: {name} is '?{value}"):
        load_teacher_recipe(None, {name: value})


def test_the_bundled_recipes_load_and_others_are_refused():
    cpu, default = (load_teacher_recipe(name, {}) for name in ("cpu", None))
    assert cpu.encoder != default.encoder
    assert cpu.epochs < default.epochs
    with pytest.raises(UsageError, match=r"There is no configuration huge.*cpu, default"):
        load_teacher_recipe("huge", {})


def test_latents_do_not_hang_on_what_else_is_read(teacher, sets):
    reader = TeacherReader.load(teacher)
    rows = teacher_rows(sets[0].replies[:9])
    together = reader.latents(rows)
    assert together.shape == (9, len(HEADS))
    alone = np.concatenate([reader.latents([row]) for row in rows])
    assert together == pytest.approx(alone, abs=1e-3)
    assert np.ptp(together, axis=0).min() > 0


# What it learns from


def train_groups(sets, seed=3):
    raters = {}
    return rated_groups([s.only("train") for s in sets], raters, seed), raters


def test_every_rating_of_the_training_part_is_learned_and_no_other(sets):
    groups, _ = train_groups(sets)
    learned = Counter(
        (NAMES[number], rating)
        for group in groups
        for row in group.rows
        for number, rating, _ in row.targets
        if NAMES[number] != "relevance"
    )
    expected = Counter(
        (head.name, rating.value)
        for head in HEADS
        for s in sets
        if s.name == head.rated_set
        for reply in s.replies
        if reply.part == "train"
        for rating in reply.ratings[head.dimension]
    )
    assert learned == expected
    assert {name for name, _ in learned} == set(NAMES) - {"relevance"}
    unseen = {(r.context, r.reply) for s in sets for r in s.replies if r.part != "train"}
    assert not unseen & {(row.context, row.reply) for g in groups for row in g.rows if row.targets}


def test_epitomes_replies_come_as_often_as_the_recipe_says_with_other_counterfactuals(sets):
    raters = {}
    often = rated_groups([s.only("train") for s in sets], raters, 3, repeats=3)
    once, _ = train_groups(sets)

    def texts(groups):
        heads = {NAMES.index(n) for n in ("emotional_reaction", "condolence")}
        return Counter(
            (NAMES[number], row.reply)
            for g in groups for row in g.rows for number, _, _ in row.targets if number in heads
        )  # fmt: skip

    for (name, reply), count in texts(once).items():
        times = 3 if name == "emotional_reaction" else 1
        assert texts(often)[name, reply] == times * count


def test_raters_that_a_file_tells_apart_have_a_number_each_and_others_none(sets):
    groups, raters = train_groups(sets)
    assert len(set(raters.values())) == len(raters) == 4
    assert min(raters.values()) == 1
    by_head = {}
    for group in groups:
        for row in group.rows:
            for number, _, rater in row.targets:
                by_head.setdefault(NAMES[number], set()).add(rater)
    assert len(by_head["condolence"]) == len(by_head["ratings"]) == 2
    assert not by_head["condolence"] & by_head["ratings"]
    assert by_head["exchanges"] == by_head["feedback"] == by_head["interpretation"] == {0}


def test_replies_to_one_dialogue_are_in_one_group_but_not_too_many(sets):
    groups, _ = train_groups(sets)
    ratings = NAMES.index("ratings")
    sizes = Counter(
        sum(any(t[0] == ratings for t in row.targets) for row in g.rows) for g in groups
    )
    assert set(sizes) == {0, 3}  # three systems a dialogue
    from msgspec.structs import replace

    (many,) = [s for s in sets if s.name == "ratings-1-3"]
    one = replace(many, replies=tuple(replace(r, dialogue="d") for r in many.replies[:14]))
    found = rated_groups([one], {}, 0)
    assert [sum(bool(r.targets) for r in g.rows) for g in found] == [6, 6, 2]
    assert MOST_OF_A_DIALOGUE == 6


def test_half_of_the_groups_hold_a_counterfactual_that_says_what_it_is(sets):
    groups, _ = train_groups(sets)
    made = [g for g in groups if g.pairs or g.same]
    assert 0.35 < len(made) / len(groups) < 0.6
    for group in made:
        marked = [b for _, b in group.pairs] + [b for _, b, _ in group.same]
        assert marked == [len(group.rows) - 1]
        relevance = [(NAMES.index("relevance"), 0.0, 0)]
        assert group.rows[-1].targets in ([], relevance)
        origin = (group.pairs or group.same)[0][0]
        assert group.rows[origin].targets
        assert group.rows[origin].context == group.rows[-1].context
        assert all(kind in SAME for _, _, kind in group.same)
    assert {kind for g in made for _, _, kind in g.same} == set(SAME)


def test_free_turns_are_of_no_rated_conversation_and_have_a_stranger_below(sets, rated_mirror):
    taken = conversations(sets)
    assert taken == {f"hit:{n}_conv:1" for n in {*RATED, *EXCHANGED}}
    with use_data_directory(rated_mirror):
        groups = free_groups(50, taken, 5)
        again = free_groups(50, taken, 5)
        assert free_groups(0, taken, 5) == []
        every = free_groups(10_000, taken, 5)
    assert len(every) == 2 * len(set(SPLITS["train"]) - {*RATED, *EXCHANGED})
    assert [g.rows for g in groups] == [g.rows for g in again]
    assert len(groups) == 50
    for group in groups:
        assert (0, 1) in group.pairs
        told = [[(NAMES[n], r) for n, r, _ in row.targets] for row in group.rows]
        assert told[:2] == [[("relevance", 1.0)], [("relevance", 0.0)]]
        assert all(own in ([], [("relevance", 0.0)]) for own in told[2:])
        words = group.rows[0].context[0].split()
        assert words[3] not in {str(n) for n in {*RATED, *EXCHANGED}}
