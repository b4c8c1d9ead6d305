"""Vectors of texts without a model, and dialogues that people rated, to fit labels on."""

from __future__ import annotations

import hashlib

import numpy as np

WIDTH = 12


def vector(text):
    """A unit vector, the same for the same words, near for texts that share some."""
    total = np.zeros(WIDTH)
    for word in text.lower().split():
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
        total += np.random.default_rng(seed).normal(size=WIDTH)
    return total / (np.linalg.norm(total) or 1.0)


class StubEmbedder:
    """Stands for ``signals.Embedder``."""

    def pairs(self, dialogues):
        """Contexts and replies as vectors."""
        from empeval_training.signals import Pairs

        def vectors(texts):
            return np.array([vector(t) for t in texts], dtype=np.float32).reshape(-1, WIDTH)

        replies = [d.reply for d in dialogues]
        return Pairs(
            vectors(["\n".join(d.context) for d in dialogues]),
            vectors([d.context[-1] for d in dialogues]),
            vectors(replies),
            replies,
        )


THINGS = {"sad": "lost my ring", "proud": "won the race", "angry": "paid the fine twice"}
ANSWERS = (
    "Okay.",
    "You should buy another one.",
    "That must have been hard. How do you feel now?",
    "I am so sorry, that sounds awful!",
)


def _texts(number):
    emotion, thing = list(THINGS.items())[number % len(THINGS)]
    return emotion, f"I {thing} on day {number}.", ANSWERS[(number * 7) % 11 % len(ANSWERS)]


def turns(count, start=0):
    """Human replies, as ``human_examples`` makes them."""
    from empeval_training.examples import Example

    made = []
    for number in range(start, start + count):
        emotion, context, answer = _texts(number)
        reply = f"{answer} You {THINGS[emotion]}?"
        made.append(Example(f"e{number}", "train", f"c{number}", emotion, (context,), reply))
    return made


def posts(count):
    """Posts with EPITOME's levels, which follow the words."""
    from empeval_training.ratings import Rated

    made = []
    for number in range(count):
        _, context, answer = _texts(number)
        place = ANSWERS.index(answer)
        levels = {"er": float(place == 3) * 2, "ip": float(place == 2), "ex": float(number % 3)}
        values = levels | {"sum": sum(levels.values())}
        made.append(Rated(f"p{number}", "epitome", f"p{number}", (context,), answer, values))
    return made


def replies(count, dialogues=40):
    """Replies rated 1-3, several to a dialogue."""
    from empeval_training.ratings import Rated

    made = []
    for number in range(count):
        emotion, context, answer = _texts(number)
        rating = {"rating": 1.0 + min(2, ANSWERS.index(answer))}
        dialogue = f"d{number % dialogues}"
        made.append(
            Rated(f"r{number}", "ratings", dialogue, (context,), answer, rating, "human", emotion)
        )
    return made
