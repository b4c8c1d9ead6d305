"""``prepare-ed`` on conversations and ratings that the test writes, without a real encoder."""

from __future__ import annotations

import csv
import json

import pytest
from support.stub_embedder import StubEmbedder, posts, replies

from empeval import DataError, UsageError
from empeval.data import use_data_directory
from empeval_training import prepare as module
from empeval_training.data import read_examples, read_prepared
from empeval_training.examples import HUMAN, SPLITS, VARIANTS
from empeval_training.prepare import prepare, signal_table

EMOTIONS = ("sad", "proud", "angry")
COLUMNS = ("conv_id", "utterance_idx", "context", "prompt", "speaker_idx", "utterance")
ALL = dict.fromkeys(SPLITS)


def write_split(folder, split, numbers):
    """Conversations of four turns: two listener turns each."""
    with open(folder / f"{split}.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in numbers:
            name, emotion = f"hit:{number}_conv:1", EMOTIONS[number % 3]
            turns = (
                f"Something {emotion} number {number} happened.",
                f"I am so sorry. Was that on day {number}?",
                "Yes it was.",
                f"That must have been {number} long hours. I know the place.",
            )
            for place, text in enumerate(turns, 1):
                writer.writerow([name, place, emotion, "", place % 2, text])


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    root = tmp_path_factory.mktemp("mirror")
    folder = root / "facebook" / "empathetic_dialogues"
    folder.mkdir(parents=True)
    write_split(folder, "train", range(60))
    write_split(folder, "validation", range(60, 75))
    write_split(folder, "test", range(75, 90))
    return root


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratings")
    with open(folder / "epitome_dev.csv", "w", newline="") as file:
        writer = csv.writer(file)
        names = ("sp_id", "rp_id", "seeker_post", "response_post", "er", "ip", "ex")
        writer.writerow(names)
        for post in posts(150):
            levels = [int(post.values[m]) for m in ("er", "ip", "ex")]
            writer.writerow([post.dialogue, post.id, post.context[0], post.reply, *levels])
    rows = [
        {
            "dialog_id": f"hit:{n % 40}_conv:1",
            "emotion": r.emotion,
            "speaker_utterance": r.context[0],
            "system": f"system {n}",
            "response": r.reply,
            "empathy_rating": int(r.values["rating"]),
        }
        for n, r in enumerate(replies(200))
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "welivita_pu_2024_dev.jsonl").write_text(lines)
    return folder


@pytest.fixture
def make(mirror, ratings, monkeypatch, capsys):
    monkeypatch.setattr(module, "Embedder", StubEmbedder)

    def run(out, **changes):
        options = {"ratings": ratings, "conversations": ALL, "variants": 2, "seed": 17}
        with use_data_directory(mirror):
            return prepare(out, **(options | changes))

    return run


def test_the_same_command_writes_the_same_files(make, tmp_path):
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    assert one == two
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 6
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert make(tmp_path / "three", seed=18).fingerprint != one.fingerprint


def test_no_conversation_is_in_two_splits_and_none_that_people_rated_in_any(make, tmp_path):
    make(tmp_path / "ed")
    splits = {split: read_examples(tmp_path / "ed", split) for split in SPLITS}
    homes = {split: {e.conversation for e in examples} for split, examples in splits.items()}
    assert not homes["train"] & homes["validation"]
    assert not homes["train"] & homes["test"]
    assert not homes["validation"] & homes["test"]
    rated = {f"hit:{n}_conv:1" for n in range(40)}
    assert not rated & set.union(*homes.values())
    ids = [e.id for examples in splits.values() for e in examples]
    assert len(set(ids)) == len(ids)


def test_rated_replies_train_but_never_measure(make, tmp_path):
    make(tmp_path / "ed")
    kinds = {s: {e.variant for e in read_examples(tmp_path / "ed", s)} for s in SPLITS}
    assert {"rated:epitome", "rated:ratings"} < kinds["train"]
    for split in ("validation", "test"):
        assert kinds[split] <= {HUMAN, *VARIANTS}
    from empeval_training.ratings import Rated

    for example in read_examples(tmp_path / "ed", "train"):
        if example.variant == "rated:ratings":
            dialogue = example.conversation.partition(":")[2]
            assert Rated("", "ratings", dialogue, (), "").part == "fit"


def test_every_reply_is_labelled_on_the_scale_and_counted(make, tmp_path):
    prepared = make(tmp_path / "ed")
    assert read_prepared(tmp_path / "ed") == prepared
    for split in SPLITS:
        examples = read_examples(tmp_path / "ed", split)
        assert all(1 <= e.empathy <= 5 for e in examples)
        counts = prepared.counts[split]
        assert sum(counts.values()) == len(examples)
        assert sum(counts[k] for k in counts if k in VARIANTS) == 2 * counts[HUMAN]
    assert prepared.emotions == tuple(sorted(EMOTIONS))


def test_a_repeated_reply_has_the_label_of_the_reply_it_was_made_of(make, tmp_path):
    make(tmp_path / "ed", variants=len(VARIANTS))
    labels = {e.id: e.empathy for e in read_examples(tmp_path / "ed", "train")}
    repeated = [i for i in labels if i.endswith("~repeated")]
    assert len(repeated) > 20
    assert all(labels[i] == labels[i.partition("~")[0]] for i in repeated)
    others = [i for i in labels if i.endswith("~dismissive")]
    assert any(labels[i] != labels[i.partition("~")[0]] for i in others)


def test_fewer_conversations_are_an_even_choice(make, tmp_path):
    few = ALL | {"validation": 6, "test": 3}
    prepared = make(tmp_path / "ed", conversations=few, variants=0)
    assert prepared.counts["validation"] == {HUMAN: 12}
    emotions = [e.emotion for e in read_examples(tmp_path / "ed", "test")]
    assert sorted(emotions) == sorted(EMOTIONS * 2)


def test_the_labeller_that_was_used_lies_beside_the_data(make, tmp_path):
    make(tmp_path / "ed")
    from empeval_training.hybrid import Labeller

    table = signal_table(Labeller.load(tmp_path / "ed" / "labeller"))
    sizes = [abs(weight) for _, weight in table]
    assert len(table) == 17
    assert sizes == sorted(sizes, reverse=True)


def test_a_conversation_in_two_splits_is_refused(make, mirror, tmp_path):
    root = tmp_path / "mirror" / "facebook" / "empathetic_dialogues"
    root.mkdir(parents=True)
    for split in SPLITS:
        write_split(root, split, range(50, 60))
    with use_data_directory(root.parents[1]), pytest.raises(DataError, match="in the splits train"):
        prepare(tmp_path / "ed", ratings=None, conversations=ALL, variants=1, seed=1)


def test_a_split_of_which_nothing_is_left_is_refused(make, tmp_path):
    with pytest.raises(UsageError, match="No conversation of the split train is left"):
        make(tmp_path / "ed", conversations=ALL | {"train": 3})


def test_an_output_that_cannot_be_written_is_refused_before_any_work(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written into"):
        make(tmp_path / "file")


def test_a_folder_being_written_anew_is_not_taken_for_a_finished_one(make, tmp_path, monkeypatch):
    make(tmp_path / "ed")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "rows_fingerprint", fail)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "ed", seed=18)
    with pytest.raises(UsageError, match="holds no prepared data"):
        read_prepared(tmp_path / "ed")
