"""The bugs that are planted to see whether a test notices still have a place in the code."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _program():
    spec = spec_from_file_location("planted_bugs", ROOT / "benchmarks" / "planted_bugs.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks there for its module
    spec.loader.exec_module(module)
    return module


BUGS = _program()


@pytest.mark.parametrize("bug", BUGS.BUGS, ids=lambda bug: bug.name)
def test_a_bug_is_found_once_and_the_test_that_notices_it_first_is_there(bug):
    file = BUGS.file_of(bug, ROOT)
    assert bug.planted != bug.text
    assert file.read_text(encoding="utf-8").count(bug.text) == 1
    path, _, name = bug.first.partition("::")
    code = (ROOT / "tests" / path).read_text(encoding="utf-8")
    assert not name or re.search(rf"^def {re.escape(name)}\(", code, re.MULTILINE)
