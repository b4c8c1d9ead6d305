"""``prepare-ed`` with a tiny teacher, on conversations and ratings of our own."""

from __future__ import annotations

from collections import Counter

import pytest
from support.rated_files import EMOTIONS, EXCHANGED, RATED, SPLITS, write_conversations

from empeval import DataError, UsageError
from empeval.auditing.rated import RatedReply
from empeval.data import use_data_directory
from empeval_training import prepare as module
from empeval_training.bundled_labels import BUNDLED, KeptLabels, write_labels
from empeval_training.data import read_examples, read_prepared
from empeval_training.examples import HUMAN
from empeval_training.prepare import MEASURED, prepare
from empeval_training.scales import SCALES
from empeval_training.variants import VARIANTS

ALL = dict.fromkeys(SPLITS)
FILES = (*SPLITS, "rated")


@pytest.fixture
def make(rated_mirror, rated, teacher, capsys):
    def run(out, mirror=rated_mirror, **changes):
        options = {
            "teachers": [teacher],
            "ratings": rated,
            "conversations_of": {"train": 120, "validation": None, "test": None},
            "variants": 2,
            "seed": 17,
        }
        with use_data_directory(mirror):
            return prepare(out, **(options | changes))

    return run


@pytest.fixture(scope="module")
def made(rated_mirror, rated, teacher, tmp_path_factory):
    """A folder that was prepared once, and what was said of it; nobody writes into it."""
    out = tmp_path_factory.mktemp("made") / "ed"
    with use_data_directory(rated_mirror):
        found = prepare(out, teachers=[teacher], ratings=rated, conversations_of=ALL, variants=3,
                        seed=17)  # fmt: skip
    return out, found


def test_the_same_command_writes_the_same_files(make, tmp_path):
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    assert one == two
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert [str(f) for f in files] == sorted([*(f"{n}.jsonl" for n in FILES), "prepared.json"])
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert make(tmp_path / "three", seed=18).fingerprint != one.fingerprint


def test_no_conversation_is_in_two_files_and_none_that_people_rated_is_drawn(made):
    every = {name: read_examples(made[0], name) for name in FILES}
    homes = {name: {e.conversation for e in examples} for name, examples in every.items()}
    assert sum(map(len, homes.values())) == len(set.union(*homes.values()))
    rated = {f"hit:{n}_conv:1" for n in {*RATED, *EXCHANGED}}
    drawn = {e.conversation for examples in every.values() for e in examples
             if not e.variant.startswith("rated:")}  # fmt: skip
    assert not rated & drawn
    ids = [e.id for examples in every.values() for e in examples]
    assert len(set(ids)) == len(ids)


def test_rated_replies_are_in_the_file_of_their_part(made):
    for name, part in (("train", "train"), ("validation", "validation"), ("rated", "test")):
        people = [e for e in read_examples(made[0], name) if e.variant.startswith("rated:")]
        assert people
        for example in people:
            reply = RatedReply(id="", dialogue=example.conversation, context=(), reply="",
                               ratings={})  # fmt: skip
            assert reply.part == part
    kinds = {name: {e.variant for e in read_examples(made[0], name)} for name in FILES}
    assert kinds["rated"] == {f"rated:{name}" for name in MEASURED}
    assert kinds["test"] <= {HUMAN, *VARIANTS}
    assert {k for k in kinds["train"] if k.startswith("rated:")} == {
        "rated:epitome", "rated:ratings-1-3", "rated:exchanges-1-5", "rated:condolence",
        "rated:esconv-feedback",
    }  # fmt: skip


def test_every_reply_is_labelled_on_the_scales_and_counted(made):
    folder, prepared = made
    assert read_prepared(folder) == prepared
    for name in FILES:
        examples = read_examples(folder, name)
        labelled = [e for e in examples if e.id.partition("~")[0].startswith("hit:")]
        assert all(1 <= e.empathy <= 5 for e in labelled)
        assert all(0 <= level <= 2 for e in labelled for level in e.mechanisms)
        ends = {scale.name: (scale.low, scale.high) for scale in SCALES}
        for example in examples:
            for scale, rating in example.ratings.items():
                assert ends[scale][0] <= rating <= ends[scale][1]
        counts = prepared.counts[name]
        assert sum(counts.values()) == len(examples)
        found = Counter(e.variant for e in labelled if "~" in e.id)
        assert sum(found.values()) == pytest.approx(3 * counts.get(HUMAN, 0), rel=0.01)
    assert prepared.emotions == tuple(sorted(EMOTIONS))
    assert prepared.labeller == "teacher"


def test_a_change_worth_the_same_has_the_label_of_the_reply_it_was_made_of(made):
    labels = {e.id: e for e in read_examples(made[0], "train")}
    kept = [i for i in labels if i.partition("~")[2] in ("padded", "doubled", "echoed")]
    assert len(kept) > 20
    for name in kept:
        origin = labels[name.partition("~")[0]]
        assert (labels[name].empathy, labels[name].mechanisms) == (
            origin.empathy, origin.mechanisms,
        )  # fmt: skip
    stock = [i for i in labels if "~stock" in i]
    assert all(labels[i].empathy == labels[i.partition("~")[0]].empathy for i in stock)
    others = [i for i in labels if i.endswith("~dismissive")]
    assert any(labels[i].empathy != labels[i.partition("~")[0]].empathy for i in others)


def test_fewer_conversations_are_an_even_choice(make, tmp_path):
    few = {"train": 120, "validation": 6, "test": 3}
    prepared = make(tmp_path / "ed", conversations_of=few, variants=0)
    assert prepared.counts["validation"][HUMAN] == 12
    emotions = [e.emotion for e in read_examples(tmp_path / "ed", "test")]
    assert sorted(emotions) == sorted(EMOTIONS * 2)


def test_a_conversation_in_two_splits_is_refused(make, rated_mirror, tmp_path):
    root = tmp_path / "mirror"
    for split in SPLITS:
        folder = root / "facebook" / "empathetic_dialogues"
        write_conversations(folder, split, range(150, 160))
    (root / "thu-coai").symlink_to(rated_mirror / "thu-coai")
    with pytest.raises(DataError, match="in the splits train"):
        make(tmp_path / "ed", mirror=root)


def test_a_split_of_which_nothing_is_left_is_refused(make, rated_mirror, tmp_path):
    root = tmp_path / "mirror"
    for split, numbers in SPLITS.items():
        folder = root / "facebook" / "empathetic_dialogues"
        write_conversations(folder, split, range(9) if split == "train" else numbers)
    (root / "thu-coai").symlink_to(rated_mirror / "thu-coai")
    with pytest.raises(UsageError, match="No conversation of the split train is left"):
        make(tmp_path / "ed", mirror=root)


def test_an_output_that_cannot_be_written_is_refused_before_any_work(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written into"):
        make(tmp_path / "file")


def test_a_folder_without_a_teacher_is_refused(make, tmp_path):
    with pytest.raises(UsageError, match="holds no finished teacher"):
        make(tmp_path / "ed", teachers=[tmp_path])


def test_labels_that_came_with_us_label_the_same_replies_without_a_teacher(
    make, made, tmp_path, monkeypatch
):
    kept = tmp_path / "labels.safetensors"
    labelled = {split: [e for e in read_examples(made[0], split) if e.id.startswith("hit:")]
                for split in SPLITS}  # fmt: skip
    write_labels([e for examples in labelled.values() for e in examples], kept)
    monkeypatch.setattr(module, "KeptLabels", lambda: KeptLabels(kept))
    prepared = make(tmp_path / "ed", teachers=[], ratings=None, conversations_of=ALL, variants=3)
    assert prepared.labeller == "bundled"
    assert (tmp_path / "ed" / "rated.jsonl").read_text() == ""
    for split, expected in labelled.items():
        found = {e.id: e for e in read_examples(tmp_path / "ed", split)}
        common = [e for e in expected if e.id in found and found[e.id].reply == e.reply]
        assert len(common) > 0.9 * len(found)
        for example in common:
            own = found[example.id]
            assert own.empathy == pytest.approx(example.empathy, abs=3e-3)  # of half precision
            assert own.mechanisms == pytest.approx(example.mechanisms, abs=2e-3)


def test_a_label_is_of_one_text_alone(made, tmp_path):
    from msgspec.structs import replace

    examples = read_examples(made[0], "test")
    write_labels(examples, tmp_path / "labels.safetensors")
    labels = KeptLabels(tmp_path / "labels.safetensors")
    assert labels.has(examples[0])
    assert not labels.has(replace(examples[0], reply="Something else."))
    assert not labels.has(replace(examples[0], id="another"))
    assert labels.label([replace(examples[0], reply="Something else.")]) == []


def test_the_labels_that_came_with_us_are_numbers_on_the_scales():
    from safetensors.numpy import load_file

    arrays = load_file(BUNDLED)
    assert set(arrays) == {"keys", "labels"}
    assert len(set(arrays["keys"].tolist())) == len(arrays["labels"]) > 40_000
    assert ((arrays["labels"][:, 0] >= 1) & (arrays["labels"][:, 0] <= 5)).all()
    assert ((arrays["labels"][:, 1:] >= 0) & (arrays["labels"][:, 1:] <= 2)).all()
    assert (arrays["labels"].std(0) > 0.05).all()
    assert BUNDLED.stat().st_size < 1_000_000


@pytest.mark.parametrize("content", [None, b"half"])
def test_labels_that_cannot_be_read_are_named(tmp_path, content):
    if content:
        (tmp_path / "labels.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.safetensors holds no labels"):
        KeptLabels(tmp_path / "labels.safetensors")


def test_a_teacher_without_ratings_is_refused(make, tmp_path):
    with pytest.raises(UsageError, match="give --ratings too"):
        make(tmp_path / "ed", ratings=None)


def test_a_rated_reply_has_what_people_said_and_a_variant_what_follows_from_it(made):
    by_id = {e.id: e for e in read_examples(made[0], "train")}
    said = {"rated:epitome": {"emotional_reaction", "interpretation", "exploration", "relevance"},
            "rated:ratings-1-3": {"ratings", "relevance"},
            "rated:exchanges-1-5": {"exchanges", "relevance"},
            "rated:condolence": {"condolence", "relevance"},
            "rated:esconv-feedback": {"feedback", "relevance"}}  # fmt: skip
    kinds = set()
    for example in by_id.values():
        if example.variant.startswith("rated:"):
            assert set(example.ratings) == said[example.variant]
            continue
        origin = by_id.get(example.id.rpartition("~")[0])
        if origin is None or not origin.variant.startswith("rated:"):
            continue
        kinds.add(example.variant)
        if example.variant == "stranger":
            assert example.ratings == {"relevance": 0.0}
        elif example.variant in ("padded", "doubled", "echoed"):
            assert example.ratings == origin.ratings
        elif example.variant in ("stock", "stock-thrice"):  # a formula is an emotional reaction
            kept = set(origin.ratings) - {"emotional_reaction", "interpretation", "exploration"}
            assert example.ratings == {name: origin.ratings[name] for name in kept}
        else:
            assert all(rating < 2 for rating in example.ratings.values())
            assert "emotional_reaction" not in example.ratings
    assert len(kinds) > 6


def test_an_own_reply_belongs_and_a_strangers_does_not(made):
    for example in read_examples(made[0], "train"):
        if example.id.startswith("hit:"):
            known = {HUMAN: 1.0, "stranger": 0.0}.get(example.variant)
            assert example.ratings.get("relevance") == known
            assert example.ratings["label"] == example.empathy


def test_without_a_teacher_the_labels_that_came_with_us_stand_beside_peoples_ratings(
    make, made, tmp_path, monkeypatch
):
    kept = tmp_path / "labels.safetensors"
    write_labels([e for split in SPLITS for e in read_examples(made[0], split)
                  if e.id.startswith("hit:")], kept)  # fmt: skip
    monkeypatch.setattr(module, "KeptLabels", lambda: KeptLabels(kept))
    prepared = make(tmp_path / "ed", teachers=[], conversations_of=ALL)
    assert prepared.labeller == "bundled-and-people"
    ours = {e.id: e for e in read_examples(made[0], "train") if e.variant.startswith("rated:")}
    found = {e.id: e for e in read_examples(tmp_path / "ed", "train")}
    assert ours == {i: e for i, e in found.items() if e.variant.startswith("rated:")}
    assert any(e.variant == HUMAN for e in found.values())


def test_a_folder_being_written_anew_is_not_taken_for_a_finished_one(make, tmp_path, monkeypatch):
    make(tmp_path / "ed")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "rows_fingerprint", fail)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "ed", seed=18)
    with pytest.raises(UsageError, match="holds no prepared data"):
        read_prepared(tmp_path / "ed")
