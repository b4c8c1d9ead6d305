"""Transparent lexical signals of a reply: what its words say outright.

Every list is our own. A signal is a count or a share that a reader can check by eye.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np


def _words(*phrases: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(phrases) + r")\b", re.IGNORECASE)


VALIDATION = _words(
    r"that (?:must|had to|has to) (?:be|have been|feel|hurt|sting)",
    r"(?:that|it) (?:sounds|seems|feels) (?:so |very |really |like )?\w+",
    r"i(?:'d| would) (?:be|feel|have (?:been|felt)) \w+ too",
    r"makes (?:perfect |total |complete )?sense",
    r"(?:i|we) (?:can |could )?(?:totally |completely |really )?"
    r"(?:understand|relate|imagine|get it)",
    r"(?:no|little) wonder",
    r"anyone would",
    r"(?:it's|it is|that's|that is) (?:okay|ok|normal|natural|understandable|only human)",
    r"you(?:'re| are) (?:not alone|right to|allowed to)",
    r"you have every (?:right|reason)",
    r"i(?:'m| am) (?:here for you|proud of you|glad for you|happy for you|thrilled for you)",
    r"you (?:must|have to) (?:be|have been|feel) \w+",
)
SYMPATHY = _words(
    r"sorry",
    r"my condolences",
    r"(?:i )?feel for you",
    r"heart (?:goes out|breaks|aches)",
    r"oh no",
    r"poor (?:you|thing)",
    r"that(?:'s| is| was) (?:\w+ )?(?:awful|terrible|horrible|sad|tough|rough|hard|scary|"
    r"heartbreaking|unfortunate|frustrating|too bad)",
    r"i hope",
    r"hugs?",
)
JOY = _words(
    r"congrat\w*",
    r"(?:that(?:'s| is| was|s)|how) (?:so |really |very )?(?:awesome|great|wonderful|amazing|"
    r"fantastic|lovely|sweet|exciting|cool|incredible|beautiful|good|nice|impressive)",
    r"good for (?:you|him|her|them)",
    r"(?:well done|way to go|good job|great job|nice job|yay|woo\w*|hooray)",
    r"i(?:'m| am) (?:so |really |very )?(?:glad|happy|excited|thrilled|pleased)",
    r"so happy",
)
DISMISSAL = _words(
    r"(?:just )?get over (?:it|that|this|yourself)",
    r"not (?:a|that) big (?:of )?(?:a )?deal",
    r"no big deal",
    r"so what",
    r"who cares",
    r"(?:i )?(?:don't|do not|couldn't|could not) (?:really )?care",
    r"stop (?:complaining|whining|crying|worrying|being so)",
    r"(?:you're|you are|you were) "
    r"(?:overreacting|exaggerating|too sensitive|being (?:silly|dramatic))",
    r"(?:others|other people|some people|people) have it (?:much |far |way )?worse",
    r"could be worse",
    r"your (?:own )?fault",
    r"(?:whatever|big whoop|cry me a river|grow up|toughen up|man up|calm down|move on|boring)",
    r"what did you expect",
    r"should(?:'ve| have)? (?:known|seen it coming)",
    r"at least",
)
ADVICE = _words(
    r"you (?:should|need to|have to|ought to|must|could|might want to|better)"
    r"(?! be| feel| have been)",
    r"you(?:'d| had) better",
    r"why (?:don't|not|didn't) you",
    r"have you (?:tried|considered|thought (?:about|of))",
    r"(?:i )?(?:suggest|recommend|advise)",
    r"if i were you",
    r"(?:try|make sure|remember) to",
    r"maybe you (?:can|could|should)",
    r"just (?:do|be|go|take|make|ask|tell|call|buy|get|keep|try|ignore|forget)",
)
FEELING = _words(
    r"feel(?:s|ing|ings)?",
    r"felt",
    r"(?:happy|sad|angry|upset|afraid|scared|worried|anxious|nervous|lonely|alone|proud|excited|"
    r"disappoint\w+|frustrat\w+|embarrass\w+|ashamed|guilty|jealous|grateful|thankful|hurt\w*|"
    r"devastat\w+|heartbr\w+|grief|griev\w+|stress\w+|overwhelm\w+|terrif\w+|shock\w+|surpris\w+|"
    r"disgust\w+|annoy\w+|furious|hopeful|confident|content|nostalgi\w+|joy\w*|relie\w+|tough|"
    r"painful|scary|hard|difficult)",
)
SECOND_PERSON = _words(r"you", r"your", r"yours", r"yourself", r"u", r"ur")
FIRST_PERSON = _words(r"i", r"me", r"my", r"mine", r"myself", r"we", r"our", r"us")
SHARED_EXPERIENCE = _words(
    r"me too",
    r"i(?:'ve| have) (?:been|had|felt|done|gone)",
    r"(?:the )?same (?:thing )?(?:happened|here|with me|to me)",
    r"i (?:had|went|lost|did|was|used to|remember)",
    r"my (?:\w+ )?(?:mom|mother|dad|father|son|daughter|brother|sister|wife|husband|friend|dog|cat|"
    r"boss)",
)
QUESTION_WORD = _words(r"what", r"how", r"why", r"who", r"where", r"when", r"which")
MARK = re.compile(r"([.!?])")
QUESTION = re.compile(r"\?")
EXCLAMATION = re.compile(r"!")
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
SENTENCE = re.compile(r"(?<=[.!?])\s+")

NAMES = (
    "validation",
    "sympathy",
    "shared_joy",
    "dismissal",
    "advice",
    "feeling_words",
    "shared_experience",
    "second_person",
    "first_person",
    "open_question",
    "question",
    "exclamation",
)
"""The signals, in the order of the columns of ``lexical``."""

_COUNTED = (VALIDATION, SYMPATHY, JOY, DISMISSAL, ADVICE, FEELING, SHARED_EXPERIENCE)


def lexical(replies: Sequence[str]) -> np.ndarray:
    """The lexical signals of replies, shape (replies, 12), float64.

    Phrase counts are capped at 2 and questions at 1, so that saying a thing five times counts no
    more than saying it twice; pronouns are shares of the words, in [0, 1].
    """
    return np.array([_signals(reply) for reply in replies], dtype=float).reshape(-1, len(NAMES))


def _signals(reply: str) -> list[float]:
    text = reply.replace("’", "'")
    words = max(1, len(WORD.findall(text)))
    counts = [min(2, len(pattern.findall(text))) for pattern in _COUNTED]
    return [
        *map(float, counts),
        len(SECOND_PERSON.findall(text)) / words,
        len(FIRST_PERSON.findall(text)) / words,
        float(asks_openly(text)),
        float(bool(QUESTION.search(text))),
        float(bool(EXCLAMATION.search(text))),
    ]


def asks_openly(text: str) -> bool:
    """Whether a question has a question word in it.

    Each clause is searched once: the time grows with the length, not with its square.
    """
    parts = MARK.split(text)
    clauses = zip(parts[::2], parts[1::2], strict=False)
    return any(mark == "?" and QUESTION_WORD.search(clause) for clause, mark in clauses)


def sentences(text: str) -> list[str]:
    """A reply cut after its closing marks."""
    return [part for part in SENTENCE.split(text.strip()) if part]


def is_empathic(sentence: str) -> bool:
    """Whether a sentence validates, sympathises, shares joy, names a feeling or asks about it."""
    text = sentence.replace("’", "'")
    return asks_openly(text) or any(
        pattern.search(text) for pattern in (VALIDATION, SYMPATHY, JOY, FEELING)
    )
