"""What version 0.1 left behind is read: run folders go on, certificates stay a scorer's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

import empeval
from empeval import registry
from empeval.certificates import Certificate, bundled_certificate

OF_0_1 = Path(__file__).parent / "support" / "runs" / "of-0.1"
"""What ``RUN`` wrote with the code of version 0.1.0 (the commit before 7890a52); the kernel's and
the processor's names alone were taken out of its manifest."""
CERTIFICATE_OF_0_1 = Path(__file__).parent / "support" / "certificates" / "of-0.1.json"
RUN = ("run", "--model", "human:", "--tasks", "ed-mini", "--limit", "6", "--scorers", "surface")


@pytest.fixture
def old(tmp_path):
    """A finished run that version 0.1.0 made."""
    shutil.copytree(OF_0_1, tmp_path / "old")
    assert '"empeval": "0.1.0"' in (tmp_path / "old" / "run.json").read_text(encoding="utf-8")
    return tmp_path / "old"


def test_a_run_folder_of_version_0_1_is_shown_scored_and_compared(cli, old):
    shown = cli("show", "old")
    assert shown.code == 0, shown.err
    assert "surface" in shown.out
    assert cli("score", "old", "--scorers", "surface").code == 0
    assert cli(*RUN, "--out", "new").code == 0
    compared = cli("compare", "old", "new", "--resamples", "100", "--format", "json")
    assert compared.code == 0, compared.err
    differences = [d["change"]["value"] for d in json.loads(compared.out)["differences"]]
    assert differences
    assert set(differences) == {0.0}


def test_an_interrupted_run_of_version_0_1_goes_on_and_keeps_its_answers(cli, old):
    responses = old / "responses" / "ed-mini.jsonl"
    lines = responses.read_bytes().splitlines(keepends=True)
    responses.write_bytes(b"".join(lines[:5]))
    (old / "metrics.json").unlink()
    done = cli(*RUN, "--out", "old")
    assert done.code == 0, done.err
    again = responses.read_bytes().splitlines(keepends=True)
    assert again[:5] == lines[:5]
    assert len(again) == len(lines)


def test_a_certificate_that_version_0_1_made_is_read():
    """``similarity``'s, as the code of 0.1.0 audited it; most of its trials were taken out."""
    made = json.loads(CERTIFICATE_OF_0_1.read_text(encoding="utf-8"))
    assert made["empeval"] == "0.1.0"
    read = msgspec.json.decode(CERTIFICATE_OF_0_1.read_bytes(), type=Certificate)
    assert (read.scorer, read.headline.spearman.value) == ("similarity", 0.095015)
    assert [t.name for t in read.trials] == [t["name"] for t in made["trials"]] != []
    for agreement, own in zip(read.agreements, made["agreements"], strict=True):
        assert agreement.spearman.value == own["spearman"]["value"]
        assert set(agreement.against) == set(own["against"]) > {"length"}


def test_the_bundled_certificates_are_this_versions():
    found = {
        component.name: certificate
        for component in registry.components("scorers")
        if (certificate := bundled_certificate(component)) is not None
    }
    assert {"mvc", "stm", "baseline", "similarity", "eq"} <= set(found)
    for name, certificate in found.items():
        assert certificate.empeval == empeval.__version__, name
        assert certificate.headline is not None, name
        assert certificate.scorer == name
