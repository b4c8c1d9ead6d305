"""Ways to change a reply that should not earn it anything, or should cost it something.

The sentences are our own and lie in ``assets``; a judge's trainer has not seen them there.
"""

from __future__ import annotations

import json
import random
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from empeval.auditing.asking import Text

_SENTENCE = re.compile(r"(?<=[.!?])\s+")

_LONGER = (
    ("I'm", "I am"), ("you're", "you are"), ("it's", "it is"), ("that's", "that is"),
    ("don't", "do not"), ("didn't", "did not"), ("can't", "cannot"), ("won't", "will not"),
    ("isn't", "is not"), ("I've", "I have"), ("I'd", "I would"), ("I'll", "I will"),
    ("he's", "he is"), ("she's", "she is"), ("they're", "they are"), ("we're", "we are"),
    ("doesn't", "does not"), ("wasn't", "was not"), ("couldn't", "could not"),
    ("wouldn't", "would not"), ("shouldn't", "should not"), ("haven't", "have not"),
    ("what's", "what is"), ("there's", "there is"), ("you've", "you have"), ("let's", "let us"),
)  # fmt: skip
_FULL = {short.casefold(): full for short, full in _LONGER}
_SHORT = {full.casefold(): short for short, full in _LONGER}
_CONTRACTED = re.compile(rf"\b({'|'.join(map(re.escape, _FULL))})\b", re.IGNORECASE)
_EXPANDED = re.compile(rf"\b({'|'.join(map(re.escape, _SHORT))})\b", re.IGNORECASE)


@lru_cache(maxsize=8)
def asset(name: str) -> Any:
    """A file of ``assets``, read from JSON or, line by line, from JSONL."""
    text = (files("empeval.auditing") / "assets" / name).read_text(encoding="utf-8")
    return [json.loads(x) for x in text.splitlines()] if name.endswith("l") else json.loads(text)


def stock(text: Text, index: int, count: int = 1) -> Text:
    """With so many stock phrases: before the reply, after it, and before it again ..."""
    phrases = asset("phrases.json")["stock"]
    reply = text.reply
    for k in range(count):
        phrase = phrases[(index + 5 * k) % len(phrases)]
        reply = f"{phrase} {reply}" if (index + k) % 2 == 0 else f"{reply} {phrase}"
    return Text(text.context, reply)


def doubled(text: Text) -> Text:
    """The reply twice."""
    return Text(text.context, f"{text.reply} {text.reply}")


def padded(text: Text, index: int) -> Text:
    """With two neutral sentences at the end."""
    neutral = asset("phrases.json")["neutral"]
    added = " ".join(neutral[(index + k) % len(neutral)] for k in range(2))
    return Text(text.context, f"{text.reply} {added}")


def echo(text: Text) -> Text:
    """The speaker's last turn in the place of the reply."""
    return Text(text.context, text.context[-1])


def echoed(text: Text) -> Text:
    """The reply, and the speaker's last turn after it."""
    return Text(text.context, f"{text.reply} {text.context[-1]}")


def insulted(text: Text, index: int) -> Text:
    """An insult after the first sentence of the reply."""
    insults = asset("phrases.json")["insult"]
    first, *rest = _SENTENCE.split(text.reply)
    return Text(text.context, " ".join([first, insults[index % len(insults)], *rest]))


def instead(text: Text, index: int, kind: str) -> Text:
    """A dismissal, or nothing but advice, in the place of the reply."""
    sentences = asset("phrases.json")[kind]
    return Text(text.context, sentences[index % len(sentences)])


def misspelt(text: Text) -> Text:
    """Two neighbouring letters swapped in every eighth word, at least in one."""
    dice = random.Random(text.key)  # noqa: S311 - not for secrets
    words = text.reply.split(" ")
    long = [k for k, word in enumerate(words) if len(word) > 3 and word[1:3].isalpha()]
    for k in dice.sample(long, min(len(long), max(1, len(words) // 8))):
        word = words[k]
        words[k] = word[0] + word[2] + word[1] + word[3:]
    return Text(text.context, " ".join(words))


def lower(text: Text) -> Text:
    """In small letters."""
    return Text(text.context, text.reply.lower())


def upper(text: Text) -> Text:
    """In capitals."""
    return Text(text.context, text.reply.upper())


def paraphrased(text: Text) -> Text:
    """Contractions written out; where there is none, full forms contracted."""
    if _CONTRACTED.search(text.reply):
        reply = _CONTRACTED.sub(lambda m: _like(m[0], _FULL[m[0].casefold()]), text.reply)
    else:
        reply = _EXPANDED.sub(lambda m: _like(m[0], _SHORT[m[0].casefold()]), text.reply)
    return Text(text.context, reply)


def _like(before: str, after: str) -> str:
    return after[:1].upper() + after[1:] if before[:1].isupper() else after[:1].lower() + after[1:]


def warm_cases() -> list[Text]:
    """Context and warm reply of our own writing."""
    return [Text(tuple(case["context"]), case["reply"]) for case in asset("cases.jsonl")]


def people_pairs(kind: str) -> list[tuple[Text, Text]]:
    """Texts that differ in a name and gender words alone (``gender``), or a name (``names``)."""
    people = asset("people.json")
    words = people["words"]
    pairs = []
    for template in people["templates"]:
        for entry in people[kind]:
            if kind == "gender":
                (first, second), both = entry, (words["male"], words["female"])
            else:
                (first, second), both = entry["pair"], (words[entry["words"]],) * 2
            pairs.append((_filled(template, first, both[0]), _filled(template, second, both[1])))
    return pairs


def template_count() -> int:
    """How many templates the pairs are made of; pairs of one stand together."""
    return len(asset("people.json")["templates"])


def _filled(template: dict[str, str], name: str, words: dict[str, str]) -> Text:
    context, reply = (template[part].format(Name=name, **words) for part in ("context", "reply"))
    return Text((context,), reply)
