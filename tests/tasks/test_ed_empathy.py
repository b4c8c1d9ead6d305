from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hub_server import Hub

from empeval import DataError, Item, UsageError, load_rows
from empeval.data import use_data_directory
from empeval.registry import build
from empeval_tasks.ed_empathy import EMOTIONS
from empeval_tasks.ed_empathy.task import EDEmpathy

NAME = "facebook/empathetic_dialogues"
COLUMNS = [
    *("conv_id", "utterance_idx", "context", "prompt"),
    *("speaker_idx", "utterance", "selfeval", "tags"),
]
Write = Callable[..., None]


def row(conversation: str, number: Any, utterance: str, emotion: str = "sad", **other) -> dict:
    values = [conversation, number, emotion, "It rained_comma_ all day.", number % 2, utterance]
    return dict(zip(COLUMNS, [*values, "", ""], strict=True)) | other


def dialogue(name: str, count: int, emotion: str = "sad") -> list[dict]:
    return [row(name, n, f"{name} says {n}", emotion) for n in range(1, count + 1)]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes rows as a split of the data set in a mirror that is in force."""
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))

    def write(rows: Iterable[dict], split: str = "test") -> None:
        rows = list(rows)
        path = tmp_path / NAME / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)

    return write


def said(item: Item) -> list[tuple[str, str]]:
    assert item.messages[0].role == "system"
    return [(message.role, message.content) for message in item.messages[1:]]


def test_each_listener_turn_is_an_item_after_the_dialogue_so_far(write: Write):
    write(dialogue("hit:1_conv:2", 4, "proud"))
    first, second = EDEmpathy().items()
    assert first.id == "hit:1_conv:2#2"
    assert said(first) == [("user", "hit:1_conv:2 says 1")]
    assert first.reference == "hit:1_conv:2 says 2"
    assert second.id == "hit:1_conv:2#4"
    assert said(second) == [
        ("user", "hit:1_conv:2 says 1"),
        ("assistant", "hit:1_conv:2 says 2"),
        ("user", "hit:1_conv:2 says 3"),
    ]
    assert second.reference == "hit:1_conv:2 says 4"
    assert second.cluster == "hit:1_conv:2"
    assert second.target == {"emotion": "proud"}
    assert second.metadata == {"situation": "It rained, all day.", "turn": 4, "turns": 4}


def test_the_last_turn_of_each_conversation_can_be_asked_for_alone(write: Write):
    write(dialogue("a", 4) + dialogue("b", 5) + dialogue("c", 2))
    assert [item.id for item in EDEmpathy(turns="last").items()] == ["a#4", "b#4", "c#2"]


def test_a_turn_of_the_speaker_without_a_reply_is_no_item(write: Write):
    write(dialogue("a", 3) + dialogue("b", 1))
    assert [item.id for item in EDEmpathy().items()] == ["a#2"]
    assert [item.id for item in EDEmpathy(turns="last").items()] == ["a#2"]


def test_commas_are_put_back(write: Write):
    write([row("a", 1, "Well_comma_ no_comma_ "), row("a", 2, "Oh_comma_dear")])
    (item,) = EDEmpathy().items()
    assert said(item) == [("user", "Well, no,")]
    assert item.reference == "Oh,dear"


def test_turns_are_ordered_by_number_and_conversations_by_their_beginning(write: Write):
    a, b = dialogue("a", 4), dialogue("b", 2)
    write([b[1], a[3], a[0], b[0], a[2], a[1]])
    assert [item.id for item in EDEmpathy().items()] == ["b#2", "a#2", "a#4"]
    assert said(list(EDEmpathy().items())[2])[0] == ("user", "a says 1")


def test_a_conversation_ends_where_a_turn_is_missing(write: Write):
    a, b = dialogue("a", 6), dialogue("b", 4)
    write(a[:3] + a[4:] + b[1:])
    assert [item.id for item in EDEmpathy().items()] == ["a#2"]


def test_who_speaks_follows_from_the_index_and_not_from_the_speaker_number(write: Write):
    write(r | {"speaker_idx": 77} for r in dialogue("a", 4))
    assert [role for role, _ in said(list(EDEmpathy().items())[1])] == ["user", "assistant", "user"]


def test_the_split_says_which_file_is_read(write: Write):
    for split in ("test", "validation", "train"):
        write(dialogue(split, 2), split)
    assert [item.cluster for item in EDEmpathy().items()] == ["test"]
    assert [item.cluster for item in EDEmpathy(split="validation").items()] == ["validation"]
    assert [item.cluster for item in EDEmpathy(split="train").items()] == ["train"]
    assert EDEmpathy(split="train", turns="last").data_key() == "split=train,turns=last"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"context": "hungry"}, "conversation bad has the unknown emotion 'hungry'"),
        ({"utterance": " "}, "conversation bad has an empty utterance, number 1"),
        ({"utterance_idx": "one"}, "conversation bad has the utterance_idx 'one'"),
        ({"utterance_idx": 2}, "conversation bad has two utterances with the number 2"),
    ],
)
def test_a_row_that_makes_no_sense_is_an_error_that_names_the_conversation(
    write: Write, change: dict, complaint: str
):
    write([*dialogue("good", 2), row("bad", 1, "Hello") | change, row("bad", 2, "Hi")])
    with pytest.raises(DataError, match=complaint):
        list(EDEmpathy().items())


def test_missing_columns_are_named(write: Write):
    write({"conv_id": "a", "utterance_idx": 1, "prompt": "x"} for _ in range(2))
    with pytest.raises(DataError, match="no column context, speaker_idx, utterance"):
        list(EDEmpathy().items())


def test_an_option_that_does_not_exist_is_an_error_that_names_those_that_do():
    with pytest.raises(UsageError, match="test, validation, train"):
        build(EDEmpathy, {"split": "dev"}, label="task 'ed-empathy'")
    with pytest.raises(UsageError, match="all, last"):
        build(EDEmpathy, {"turns": "first"}, label="task 'ed-empathy'")


RELEASE = """conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags
hit:4_conv:8,1,sad,The rain_comma_ all day.,5,It rained_comma_ again.,,
hit:4_conv:8,2,sad,The rain_comma_ all day.,6,"Again" is too much_comma_ I say.,,,Oh no.|"It"?
hit:4_conv:8,3,sad,The rain_comma_ all day.,5,"Well" yes.,5|5|5_2|2|5,<H>
hit:4_conv:8,4,sad,The rain_comma_ all day.,6,I see.,,,one|two
"""


@pytest.mark.parametrize("quoted", [False, True])
def test_the_old_release_is_read_with_its_ninth_field_and_its_bare_quotation_marks(
    write: Write, tmp_path: Path, quoted: bool
):
    write(dialogue("a", 2))
    text = RELEASE if not quoted else RELEASE.replace('"', "")
    (tmp_path / NAME / "test.csv").write_text(text, encoding="utf-8")
    first, second = EDEmpathy().items()
    mark = "" if quoted else '"'
    assert first.reference == f"{mark}Again{mark} is too much, I say."
    assert said(second)[-1] == ("user", f"{mark}Well{mark} yes.")
    assert second.reference == "I see."


def test_the_old_releases_name_of_the_validation_split_is_known(write: Write):
    write(dialogue("a", 2), split="valid")
    assert [item.id for item in EDEmpathy(split="validation").items()] == ["a#2"]


def test_a_row_that_is_too_short_is_still_refused(write: Write, tmp_path: Path):
    write(dialogue("a", 2))
    (tmp_path / NAME / "test.csv").write_text(RELEASE + "hit:4_conv:9,1,sad\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 6: 3 fields, but the header names 8"):
        list(EDEmpathy().items())


def swallow(rows: list[dict]) -> list[dict]:
    """Write rows without quoting and read them with it, as was done for the hub's copy."""
    lines = [",".join(str(r[column]) for column in COLUMNS) + "\n" for r in rows]
    limit = csv.field_size_limit(10**8)
    read = csv.DictReader([",".join(COLUMNS) + "\n", *lines])
    kept = [{column: r[column] for column in COLUMNS} for r in read]
    csv.field_size_limit(limit)
    numbers = ("utterance_idx", "speaker_idx")
    return [r | {column: int(r[column]) for column in numbers} for r in kept]


def unquoted(item: Item) -> list[str]:
    texts = [item.id, item.target["emotion"], item.reference, *(text for _, text in said(item))]
    return [text.replace('"', "") for text in texts]


def write_parquet(folder: Path, rows: list[dict], split: str) -> None:
    path = folder / "default" / split / "0000.parquet"
    path.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


@pytest.fixture
def quoted() -> list[dict]:
    """Conversations in which two utterances begin with a quotation mark that is not closed."""
    names = [f"hit:{n}_conv:{2 * n}" for n in range(4)]
    rows = [r for name in names for r in dialogue(name, 4)]
    rows[2] |= {"utterance": '"He said no_comma_ and left'}
    rows[9] |= {"utterance": 'Then I said yes_comma_ I would."'}
    return rows


def test_rows_that_the_hub_swallowed_are_taken_out_again(
    tmp_path: Path, write: Write, quoted: list[dict]
):
    damaged = swallow(quoted)
    assert len(damaged) < len(quoted)
    write([r | {"utterance": r["utterance"].replace('"', "")} for r in quoted])
    whole = list(EDEmpathy().items())
    write(damaged)
    assert list(EDEmpathy().items()) == whole


def test_the_hubs_parquet_gives_the_same_items_as_a_csv(
    hub: Hub, write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quoted: list[dict]
):
    write_parquet(tmp_path / "repository", swallow(quoted), "test")
    hub.add_dataset(NAME, tmp_path / "repository", revision="refs/convert/parquet")
    done = hub.python(
        "import msgspec, sys\n"
        "from empeval_tasks.ed_empathy.task import EDEmpathy\n"
        "sys.stdout.buffer.write(msgspec.json.encode(list(EDEmpathy().items())))"
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    write([r | {"utterance": r["utterance"].replace('"', "")} for r in quoted])
    references = [item.reference for item in EDEmpathy().items()]
    assert [item["reference"] for item in json.loads(done.stdout)] == references


conversations = st.lists(
    st.tuples(st.sampled_from(EMOTIONS[:4]), st.integers(1, 6)), min_size=1, max_size=25
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("mirror")
    (made / NAME).mkdir(parents=True)
    return made


def items_of(folder: Path, shapes: list[tuple[str, int]]) -> list[Item]:
    rows = [r for n, (emotion, size) in enumerate(shapes) for r in dialogue(f"c{n}", size, emotion)]
    with open(folder / NAME / "test.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with use_data_directory(folder):
        return list(EDEmpathy().items())


@settings(max_examples=40, deadline=None)
@given(conversations)
def test_every_item_alternates_ends_with_the_speaker_and_has_a_reference(folder, shapes):
    items = items_of(folder, shapes)
    assert len(items) == sum(size // 2 for _, size in shapes)
    assert len({item.id for item in items}) == len(items)
    for item in items:
        roles = [role for role, _ in said(item)]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert item.reference
        assert item.target["emotion"] in EMOTIONS


@settings(max_examples=60, deadline=None)
@given(conversations, st.integers(1, 30), st.integers(0, 10), st.integers(0, 3))
def test_a_limit_takes_whole_conversations_evenly_over_the_emotions(
    folder, shapes, limit, more, seed
):
    items = items_of(folder, shapes)
    task = EDEmpathy()
    chosen = task.select(items, limit, seed)
    names = {item.cluster for item in chosen}
    there = {item.cluster: item.target["emotion"] for item in items}
    assert len(names) == min(limit, len(there))
    assert chosen == [item for item in items if item.cluster in names]
    taken = Counter(there[name] for name in names)
    has_more = [e for e, count in Counter(there.values()).items() if count > taken[e]]
    assert all(taken[e] >= max(taken.values()) - 1 for e in has_more)
    assert task.select(list(reversed(items)), limit, seed) == list(reversed(chosen))
    larger = task.select(items, limit + more, seed)
    assert {item.id for item in chosen} <= {item.id for item in larger}


def test_the_sample_is_the_same_on_every_machine_and_differs_by_seed(folder: Path):
    items = items_of(folder, [(emotion, 2) for emotion in EMOTIONS[:3] for _ in range(5)])
    chosen = [[i.cluster for i in EDEmpathy().select(items, 4, seed)] for seed in range(3)]
    assert chosen == [
        ["c2", "c3", "c6", "c14"],
        ["c0", "c3", "c6", "c13"],
        ["c2", "c3", "c7", "c12"],
    ]


@pytest.mark.parametrize(
    ("split", "conversations", "every", "last"),
    [
        ("test", 2546, 5257, 2546),
        ("validation", 2769, 5736, 2768),
        ("train", 19532, 40252, 19530),
    ],
)
def test_the_real_splits_have_the_documented_counts(
    real_data: Path, split: Any, conversations: int, every: int, last: int
):
    with use_data_directory(real_data):
        task = EDEmpathy(split=split)
        assert sum(1 for _ in task.conversations()) == conversations
        items = list(task.items())
        ends = list(EDEmpathy(split=split, turns="last").items())
    assert len({item.id for item in items}) == len(items) == every
    assert len({item.cluster for item in ends}) == len(ends) == last
    assert {item.target["emotion"] for item in items} == set(EMOTIONS)
    assert all(item.reference for item in items)
    assert not any("_comma_" in message.content for item in items for message in item.messages)


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_real_rows_survive_being_swallowed_but_for_their_quotation_marks(
    real_data: Path, tmp_path: Path, split: Any
):
    with use_data_directory(real_data):
        rows = load_rows(NAME, [f"{split}.csv"])
        whole = list(EDEmpathy(split=split).items())
    damaged = swallow(rows)
    assert len(damaged) < len(rows) - 100
    write_parquet(tmp_path / NAME, damaged, split)
    with use_data_directory(tmp_path):
        taken_apart = list(EDEmpathy(split=split).items())
    assert [unquoted(item) for item in taken_apart] == [unquoted(item) for item in whole]
