"""Entry points are read out of plain files as ``importlib.metadata`` reads them, only sooner."""

from __future__ import annotations

import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from support.distributions import make_distribution

from empeval import distributions, installed

GROUPS = ("one", "two")


def by_the_library() -> list[tuple[str, str, str, str, str]]:
    """What the standard library finds: the oracle."""
    every = metadata.entry_points()
    return [
        (point.dist.metadata["Name"], point.dist.metadata["Version"], *astuple(point))
        for group in GROUPS
        for point in every.select(group=group)
        if point.dist is not None
    ]


def astuple(point: metadata.EntryPoint) -> tuple[str, str, str]:
    return point.name, point.value, point.group


def by_files() -> list[tuple[str, str, str, str, str]]:
    return [(name, version, *entry) for name, version, entry in distributions.read_entries(GROUPS)]


def found() -> list[tuple[str, str, str, str, str]]:
    points, problems = installed.entry_points(*GROUPS)
    assert problems == []
    return [(point.distribution, point.version, *point.entry) for point in points]


def site(folder: Path, *names: str, version: str = "1.0", value: str = "m:C") -> Path:
    """A folder of distributions with an entry point in each group."""
    for name in names:
        points = {group: {f"{name}-{group}": value} for group in GROUPS}
        make_distribution(folder, name, version=version, points=points)
    return folder


@pytest.fixture
def path(monkeypatch, tmp_path):
    """Makes ``sys.path`` nothing but the given entries."""
    monkeypatch.chdir(tmp_path)

    def only(*entries: Path | str) -> None:
        monkeypatch.setattr(sys, "path", [str(entry) for entry in entries])

    return only


def info(folder: Path) -> Path:
    (one,) = folder.glob("*-info")
    return one


def test_the_path_of_this_process_is_read_alike():
    groups = sorted(metadata.entry_points().groups)
    every = metadata.entry_points()
    wanted = [astuple(point) for group in groups for point in every.select(group=group)]
    assert [tuple(entry) for _, _, entry in distributions.read_entries(groups)] == wanted
    assert len(wanted) > 50


def test_what_stands_first_on_the_path_hides_the_rest_of_its_name(path, tmp_path):
    path(
        site(tmp_path / "a", "Some.Thing", "other", version="1.0"),
        tmp_path / "is not there",
        site(tmp_path / "b", "some-thing", "some_thing_else", "last", version="2.0"),
        tmp_path / "a",
    )
    assert by_files() == by_the_library() == found()
    assert {(name, version) for name, version, *_ in found()} == {
        ("Some.Thing", "1.0"), ("other", "1.0"), ("some_thing_else", "2.0"), ("last", "2.0"),
    }  # fmt: skip


def test_a_distribution_that_comes_or_goes_is_seen_at_once(path, tmp_path):
    folder = site(tmp_path / "a", "first")
    path(folder)
    assert {name for name, *_ in by_files()} == {"first"}
    site(folder, "second")
    assert {name for name, *_ in by_files()} == {"first", "second"}
    (folder / "first-1.0.dist-info" / "entry_points.txt").write_text("[one]\nx = y\n")
    assert [entry for name, _, *entry in by_files() if name == "first"] == [["x", "y", "one"]]


def test_the_folder_one_is_in_counts_where_the_path_says_so(path, tmp_path):
    site(tmp_path, "here")
    path("")
    assert by_files() == by_the_library()
    assert {name for name, *_ in by_files()} == {"here"}


@pytest.mark.parametrize(
    "text",
    [
        "[one]\r\na = m:C\r\n\r\n[two]\r\n b=m : C.d [x, y]\r\n",
        "# a remark\n[one]\n# = another\na = m # not a remark\n[three]\nz = q\n[one]\nb = n\n",
        "stray = line\n[one]\na=b=c\n = nameless\nempty =\n",
        "\ufeff[one]\na = m:C\n[two]\nb = m:C\n",
        "[ one ]\na = m\n[[two]]\nb = m\n",
        "",
    ],
    ids=["windows", "remarks", "strays", "mark", "brackets", "empty"],
)
def test_the_file_is_read_by_the_librarys_rules(path, tmp_path, text):
    folder = site(tmp_path / "a", "thing")
    (info(folder) / "entry_points.txt").write_text(text, encoding="utf-8", newline="")
    path(folder)
    assert by_files() == by_the_library()


@pytest.mark.parametrize(
    "head",
    [
        "Name:  Thing\nVERSION:\t1.2+local\nName: Other\nSummary: one\n of two lines\n\nName: No\n",
        "Metadata-Version: 2.1\r\nName: thing\r\nVersion: 3\r\n\r\n\r\nVersion: 4\r\n",
        "Description: x\n        y: z\n\t\nName: thing\nVersion: 1\n",
    ],
)
def test_name_and_version_stand_in_the_head(path, tmp_path, head):
    folder = site(tmp_path / "a", "thing")
    (info(folder) / "METADATA").write_text(head, encoding="utf-8", newline="")
    path(folder)
    assert by_files() == by_the_library()


def test_old_metadata_beside_the_source_of_an_editable_installation(path, tmp_path):
    folder = site(tmp_path / "a", "thing")
    info(folder).rename(folder / "thing.egg-info")
    (folder / "thing.egg-info" / "METADATA").rename(folder / "thing.egg-info" / "PKG-INFO")
    (folder / "plain-1.0-py3.11.egg-info").write_text("Name: plain\nVersion: 1.0\n")
    path(folder)
    assert by_files() == by_the_library()
    assert len(by_files()) == 2


def zipped(folder: Path) -> str:
    entry = folder.with_suffix(".zip")
    with zipfile.ZipFile(entry, "w") as file:
        for one in folder.rglob("*"):
            if one.is_file():
                file.write(one, one.relative_to(folder).as_posix())
    return str(entry)


def egg(folder: Path) -> str:
    entry = folder / "thing-1.0-py3.egg"
    info(folder).rename(folder / "EGG-INFO")
    (folder / "EGG-INFO" / "METADATA").rename(folder / "EGG-INFO" / "PKG-INFO")
    entry.mkdir()
    (folder / "EGG-INFO").rename(entry / "EGG-INFO")
    return str(entry)


def renamed(name: str):
    def change(folder: Path) -> str:
        info(folder).rename(folder / name)
        return str(folder)

    return change


def headed(head: str):
    def change(folder: Path) -> str:
        (info(folder) / "METADATA").write_text(head)
        return str(folder)

    return change


@pytest.mark.parametrize(
    "change",
    [
        zipped,
        egg,
        renamed("Thing-1.0.DIST-INFO"),
        renamed("-1.0.dist-info"),
        headed("Name: thing\n of two lines\nVersion: 1\n\n"),
        headed("Version: 2\nName: a\n b\n\n"),
    ],
    ids=["zip", "egg", "capitals", "nameless", "folded", "folded later"],
)
def test_what_is_unusual_is_left_to_the_library(path, tmp_path, change):
    entries = [site(tmp_path / "plain", "plain"), change(site(tmp_path / "a", "thing"))]
    path(*entries)
    with pytest.raises(distributions.UnusualError):
        by_files()
    assert found() == by_the_library()
    assert len(found()) == 4


def test_a_finder_of_somebodys_own_is_asked(path, tmp_path, monkeypatch):
    path(site(tmp_path / "plain", "plain"))
    hidden = info(site(tmp_path / "hidden", "hidden"))

    class Finder:
        @staticmethod
        def find_spec(*_):
            return None

        @staticmethod
        def find_distributions(*_):
            return [metadata.PathDistribution(hidden)]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert found() == by_the_library()
    assert {name for name, *_ in found()} == {"plain", "hidden"}


def test_a_line_that_says_nothing_is_a_problem_of_its_distribution_alone(path, tmp_path):
    folder = site(tmp_path / "a", "good", "bad")
    (folder / "bad-1.0.dist-info" / "entry_points.txt").write_text("[one]\nno sign\n")
    path(folder)
    points, problems = installed.entry_points(*GROUPS)
    assert {point.distribution for point in points} == {"good"}
    assert [name for name, _ in problems] == ["bad"]


@pytest.mark.parametrize(
    "value", ["os.path", "os", "collections:OrderedDict.fromkeys", "os.path : join [extra, other]"]
)
def test_an_entry_point_loads_what_the_librarys_loads(value):
    loaded = distributions.Entry("x", value, "one").load()
    assert loaded == metadata.EntryPoint("x", value, "one").load()


@pytest.mark.parametrize("value", ["", "not a module", "not_there_at_all", "os:nothing", "[os]"])
def test_an_entry_point_that_stands_for_nothing_raises(value):
    with pytest.raises((ImportError, AttributeError, ValueError)):
        distributions.Entry("x", value, "one").load()
