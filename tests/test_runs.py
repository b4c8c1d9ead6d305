"""The run folder: manifest, fingerprints, and whether a folder may be used."""

from __future__ import annotations

import os
import re

import msgspec
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

import empeval
from empeval import Item, Message, Metric, Response, Run, RunFolderError, Sampling
from empeval.answering import finish
from empeval.records import MetricsFile
from empeval.runs import (
    Manifest,
    ModelEntry,
    ScorerEntry,
    TaskEntry,
    check_free,
    data_fingerprint,
    differences,
    item_hash,
    prompts_hash,
    slug,
    spec_hash,
)
from empeval.testing import fake_item

MANIFEST = Manifest(
    schema=1,
    status="complete",
    created="2025-01-01T00:00:00+00:00",
    model=ModelEntry(uri="slow:", name="slow", fingerprint="slow", details={"dtype": "float32"}),
    tasks={
        "days": TaskEntry(
            version="1",
            data_fingerprint="sha256:00",
            prompts_hash="sha256:01",
            n_items=2,
            n_clusters=1,
            sampling=Sampling(stop=("\n",)),
        )
    },
    scorers={"days": {"length": ScorerEntry(name="length", version="1")}},
)


def changed(**fields):
    return msgspec.structs.replace(MANIFEST, **fields)


def test_another_version_of_a_task_is_another_run_spec():
    (task,) = MANIFEST.tasks.values()
    other = changed(tasks={"days": msgspec.structs.replace(task, version="2")})
    assert differences(MANIFEST, other) == ["days version: 1 -> 2"]
    assert spec_hash(MANIFEST) != spec_hash(other)


def test_another_model_is_another_run_spec():
    other = changed(model=msgspec.structs.replace(MANIFEST.model, fingerprint="quick"))
    assert differences(MANIFEST, other) == ["model fingerprint: slow -> quick"]
    assert spec_hash(MANIFEST) != spec_hash(other)


def test_other_data_are_another_question():
    (task,) = MANIFEST.tasks.values()
    other = changed(tasks={"days": msgspec.structs.replace(task, data_fingerprint="sha256:02")})
    assert differences(MANIFEST, other) == ["days data: sha256:00 -> sha256:02"]
    assert spec_hash(MANIFEST) != spec_hash(other)


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    Run.create(tmp_path / "run", MANIFEST)
    assert Run(tmp_path / "run").manifest == MANIFEST
    Run(tmp_path / "run").write_metrics([])
    assert Run(str(tmp_path / "run")).complete


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"\xff\xfe", "cannot be read as a manifest"),
        (b'{"created":"\xff"}', "cannot be read as a manifest"),
        (b'{"schema": 1}', "missing required field"),
        (b"[]", "Expected `object`"),
        (b'{"more":' + b"[" * 100_000, "cannot be read as a manifest"),
    ],
)
def test_a_damaged_manifest_is_refused_with_its_name(tmp_path, content, reason):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=reason) as caught:
        Run(tmp_path)
    assert str(tmp_path / "run.json") in str(caught.value)


def test_a_manifest_of_a_later_schema_is_refused(tmp_path):
    later = msgspec.to_builtins(MANIFEST) | {"schema": 2}
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(later))
    with pytest.raises(RunFolderError, match=r"2 - at `\$\.schema`"):
        Run(tmp_path)


def test_fields_that_a_later_release_adds_do_no_harm(tmp_path):
    more = msgspec.to_builtins(MANIFEST) | {"mood": "sunny"}
    (tmp_path / "run.json").write_bytes(msgspec.json.encode(more))
    assert Run(tmp_path).manifest == MANIFEST


def test_what_is_no_run_folder_is_called_so(tmp_path):
    with pytest.raises(RunFolderError, match="is no run folder"):
        Run(tmp_path)
    with pytest.raises(RunFolderError, match="does not exist"):
        Run(tmp_path / "none")
    with pytest.raises(RunFolderError, match="does not exist"):
        Run(tmp_path / ("x" * 300))


@pytest.mark.parametrize("content", [b"{", b'{"schema":1,"metrics":["\xff"]}', b"[[[[[[" * 20_000])
def test_damaged_metrics_are_refused_with_their_name(tmp_path, content):
    run = Run.create(tmp_path / "run", MANIFEST)
    assert run.metrics() == []
    (run.path / "metrics.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"metrics\.json cannot be read"):
        run.metrics()


def test_an_id_that_comes_twice_is_refused_with_file_and_id(tmp_path):
    run = Run.create(tmp_path / "run", MANIFEST)
    run.scores_path("days", "length").parent.mkdir(parents=True)
    run.scores_path("days", "length").write_text('{"id":"7"}\n{"id":"8"}\n{"id":"7"}\n')
    with pytest.raises(RunFolderError, match=r"length\.jsonl: the id '7' comes twice"):
        run.scores("days", "length")


ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return Run.create(tmp_path_factory.mktemp("any") / "run", MANIFEST).path


def damaged(data, whole):
    """Bytes that were a good file: cut off, with other bytes within, or with a part of it odd."""
    kind = data.draw(st.sampled_from(["bytes", "cut", "patched", "odd"]))
    if kind == "bytes":
        return data.draw(st.binary(max_size=100))
    if kind == "odd":
        content = msgspec.json.decode(whole)
        part = content
        while isinstance(part, dict) and part:
            key = data.draw(st.sampled_from(sorted(part)))
            if not isinstance(part[key], dict) or data.draw(st.booleans()):
                part[key] = data.draw(ODD_JSON)
                break
            part = part[key]
        return msgspec.json.encode(content)
    start = data.draw(st.integers(0, len(whole)))
    if kind == "cut":
        return whole[:start]
    return whole[:start] + data.draw(st.binary(max_size=3)) + whole[start + 3 :]


def read_or_refused(read):
    """What was read and the refusal; one of them is ``None``."""
    try:
        found, refusal = read(), None
    except RunFolderError as error:
        found, refusal = None, str(error)
    event("read" if refusal is None else "refused")
    return found, refusal


@given(st.data())
@settings(deadline=None, max_examples=400)
def test_any_manifest_is_read_as_it_stands_or_refused_with_its_name(folder, data):
    (folder / "run.json").write_bytes(damaged(data, msgspec.json.encode(MANIFEST)))
    run, refusal = read_or_refused(lambda: Run(folder))
    if run is None:
        assert f"{folder / 'run.json'} cannot be read" in refusal
        return
    manifest = run.manifest
    run.write_manifest(manifest)
    assert Run(folder).manifest == manifest
    assert differences(manifest, manifest) == []


METRICS = MetricsFile(
    schema=1,
    metrics=[Metric("days", "length", "words", 1.5, None, 2.0, 3, 1, "words", True, 2, "note")],
)


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_any_metrics_are_read_as_they_stand_or_refused_with_their_name(folder, data):
    (folder / "run.json").write_bytes(msgspec.json.encode(MANIFEST))
    (folder / "metrics.json").write_bytes(damaged(data, msgspec.json.encode(METRICS)))
    run = Run(folder)
    metrics, refusal = read_or_refused(run.metrics)
    if metrics is None:
        assert f"{folder / 'metrics.json'} cannot be read" in refusal
        return
    run.write_metrics(metrics)
    assert run.metrics() == metrics


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=4), st.data())
@settings(deadline=None, max_examples=300)
def test_any_responses_are_read_each_once_or_refused_with_the_name_of_the_file(folder, given, data):
    (folder / "run.json").write_bytes(msgspec.json.encode(MANIFEST))
    run = Run(folder)
    path = run.responses_path("days")
    path.parent.mkdir(exist_ok=True)
    lines = [msgspec.json.encode(finish(Response(i, "Oh."), fake_item(i))) for i, _ in given]
    written = [
        line if good else damaged(data, line) for line, (_, good) in zip(lines, given, strict=True)
    ]
    torn = data.draw(st.binary(max_size=9))
    path.write_bytes(b"".join(line + b"\n" for line in written) + torn)
    read, refusal = read_or_refused(lambda: run.responses("days"))
    if read is None:
        assert refusal.startswith(str(path))
        return
    ids = [line.id for line in read]
    assert len(ids) == len(set(ids)) == path.read_bytes().count(b"\n")
    path.write_bytes(b"")
    with run.journal_responses("days") as journal:
        for line in read:
            journal.append(line)
    assert run.responses("days") == read


def test_a_run_whose_metrics_are_gone_is_unfinished(tmp_path):
    out = tmp_path / "run"
    first = empeval.run("human:", ["ed-mini"], ["surface"], out=out, limit=2)
    metrics = (out / "metrics.json").read_bytes()
    (out / "metrics.json").unlink()
    assert not Run(out).complete
    assert empeval.run("human:", ["ed-mini"], ["surface"], out=out, limit=2).complete
    assert (out / "metrics.json").read_bytes() == metrics
    assert first.complete


def test_a_question_is_known_by_what_is_asked_and_compared_with():
    item = fake_item()
    same = fake_item("2", cluster="other", metadata={"turn": 3}, task="other")
    assert item_hash(item) == item_hash(same)
    for other in (
        fake_item(text="Something else."),
        fake_item(reference=None),
        fake_item(target={"emotion": "angry"}),
    ):
        assert item_hash(other) != item_hash(item)


def test_the_fingerprint_of_data_sees_everything_but_remarks():
    items = [fake_item("1"), fake_item("2")]
    fingerprint = data_fingerprint(items)
    assert re.fullmatch("sha256:[0-9a-f]{64}", fingerprint)
    assert data_fingerprint([fake_item("1", metadata={"a": 1}), fake_item("2")]) == fingerprint
    for other in (
        items[:1],
        items[::-1],
        [fake_item("1"), fake_item("3")],
        [fake_item("1"), fake_item("2", cluster="1")],
        [fake_item("1"), fake_item("2", target={})],
    ):
        assert data_fingerprint(other) != fingerprint


def test_the_hash_of_prompts_sees_ids_and_messages_only():
    asked = prompts_hash([fake_item("1")])
    assert prompts_hash([fake_item("1", reference=None, target={}, cluster="x")]) == asked
    assert prompts_hash([fake_item("2")]) != asked
    system = (Message("system", "Be brief."), *fake_item("1").messages)
    assert prompts_hash([Item("1", system, "1")]) != asked


def test_differences_name_what_was_asked_otherwise():
    days = MANIFEST.tasks["days"]
    other = changed(
        model=msgspec.structs.replace(
            MANIFEST.model, arguments={"pause": "1"}, details={"dtype": "bfloat16"}
        ),
        limit=5,
        tasks={"days": msgspec.structs.replace(days, sampling=Sampling(temperature=1.0))},
    )
    assert differences(MANIFEST, other) == [
        "days stop: ['\\n'] -> []",
        "days temperature: 0.0 -> 1.0",
        "limit: (none) -> 5",
        "model argument pause: (none) -> 1",
        "model dtype: float32 -> bfloat16",
    ]
    assert spec_hash(MANIFEST) != spec_hash(other)


def test_scorers_time_and_machine_do_not_make_another_run_spec():
    other = changed(
        scorers={}, created="later", command=["x"], environment={"a": 1}, warnings=["w"]
    )
    assert differences(MANIFEST, other) == []
    assert spec_hash(MANIFEST) == spec_hash(other)


@given(st.text(), st.integers(1, 60))
@example("a -b", 2)
@example("...", 3)
def test_a_slug_is_a_harmless_file_name(text, length):
    name = slug(text, length)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
    assert len(name) <= max(length, len("unnamed"))
    assert slug(name, 60) == name


@pytest.mark.parametrize("name", ["..", ".", "../../etc/passwd", "/", "a/../../b"])
def test_a_task_cannot_be_named_out_of_the_folder(tmp_path, name):
    run = Run.create(tmp_path / "run", MANIFEST)
    for path in (run.responses_path(name), run.scores_path(name, name)):
        assert run.path.resolve() in path.resolve().parents
        assert ".." not in path.parts


def test_a_new_run_may_go_where_there_is_nothing(tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / ".lock").touch()
    for name in ("new", "new/and/deep", "hidden"):
        check_free(tmp_path / name)
    assert not (tmp_path / "new").exists()


def test_a_new_run_may_not_go_where_something_is(tmp_path):
    (tmp_path / "file").touch()
    for name, reason in {
        "": "holds something that is no run",
        "file": "is a file; name a folder",
        "file/below": "file is a file",
        "x" * 300: "File name too long",
    }.items():
        with pytest.raises(RunFolderError, match=reason):
            check_free(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do anything")
def test_a_new_run_may_not_go_where_nobody_may_write(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(RunFolderError, match="no permission"):
            check_free(tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)


def test_what_marks_a_thought_is_part_of_the_run_spec_but_for_what_an_older_version_finished():
    def asked(status, *marks):
        (task,) = MANIFEST.tasks
        entry = msgspec.structs.replace(MANIFEST.tasks[task], reasoning=marks)
        return msgspec.structs.replace(MANIFEST, status=status, tasks={task: entry})

    new = asked("running", "<think>...</think>", "<plan>...</plan>")
    (difference,) = differences(asked("complete", "<think>...</think>"), new)
    assert "marks of reasoning" in difference
    assert len(differences(asked("running"), new)) == 1
    assert differences(asked("complete"), new) == []


def test_a_model_with_an_adapter_is_told_from_the_model():
    bare = ModelEntry(uri="hf:m", name="m", fingerprint="sha256:1")
    tuned = msgspec.structs.replace(bare, details={"adapter_fingerprint": "sha256:0123456789ab"})
    assert (bare.title, tuned.title) == ("hf:m", "hf:m + adapter 01234567")
