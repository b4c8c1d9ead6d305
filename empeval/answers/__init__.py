"""Anybody's answers: files of other programs, read into one record an answer.

``read_answers`` recognises a file by what it holds, ``join`` finds the items that the answers
belong to. Both replay and ``empeval score`` use them. docs/saved-answers.md lists the formats.
"""

from empeval.answers.joining import Joined, check_joined, join
from empeval.answers.mapping import Fields
from empeval.answers.reading import own_lines, read_answers
from empeval.answers.records import SavedAnswer, SavedAnswers

__all__ = [
    "Fields",
    "Joined",
    "SavedAnswer",
    "SavedAnswers",
    "check_joined",
    "join",
    "own_lines",
    "read_answers",
]
