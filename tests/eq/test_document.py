"""Documents in sections: what is not given is kept from an earlier one, and says so."""

from __future__ import annotations

import pytest

from empeval import UsageError
from empeval_training.eq.document import read_sections, write_sections

OPENING = "# Title\n\nWhat it is."


def test_sections_are_read_as_they_were_written(tmp_path):
    sections = {"One": "First.\n\n### Deeper\n\nMore.", "Two": "| a |\n|---|\n| 1 |"}
    path = write_sections(tmp_path / "a.md", OPENING, sections)
    assert path.read_text().startswith("# Title\n\nWhat it is.\n\n## One\n\nFirst.")
    assert read_sections(path) == sections


def test_what_is_not_given_is_kept_and_names_its_version(tmp_path):
    old = {"One": "Old one.", "Two": "Old two."}
    new = {"One": "New one.", "Two": None, "Three": None}
    path = write_sections(tmp_path / "b.md", OPENING, new, earlier=old, version="commit abc")
    found = read_sections(path)
    assert found["One"] == "New one."
    assert found["Two"].startswith("Kept from the document of commit abc;")
    assert found["Two"].endswith("\n\nOld two.")
    assert found["Three"] == "Not given."


def test_a_section_that_is_kept_twice_names_the_version_that_measured_it(tmp_path):
    first = write_sections(
        tmp_path / "c.md", OPENING, {"One": None}, earlier={"One": "Old."}, version="commit abc"
    )
    again = write_sections(
        tmp_path / "d.md", OPENING, {"One": None}, earlier=read_sections(first), version="later"
    )
    assert read_sections(again)["One"].count("Kept from") == 1
    assert "commit abc" in again.read_text()
    assert "later" not in again.read_text()


def test_what_was_not_given_before_is_not_given_now(tmp_path):
    path = write_sections(tmp_path / "e.md", OPENING, {"One": None}, earlier={"One": "Not given."})
    assert read_sections(path)["One"] == "Not given."


@pytest.mark.parametrize("content", [None, b"No sections.", b"\xff\xfe"])
def test_a_file_that_is_no_document_is_refused(tmp_path, content):
    path = tmp_path / "x.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.md"):
        read_sections(path)
