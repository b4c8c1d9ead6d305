"""The tuned model's own weaker replies as rejected ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empeval import Item, Message, Sample, Sampling
from empeval.asked import resolve_generator
from empeval.hooks import Hooks
from empeval_empathy.scorers import MVC
from empeval_training.data import draw
from empeval_training.eq.chats import Chat, support_chats
from empeval_training.eq.esconv import read_talks
from empeval_training.eq.pairs import LEAST_WORDS, Pair, without_leaks
from empeval_training.progress import bar, say

RULE = "own-weaker"


def own_pairs(
    model: str, arguments: Mapping[str, Any], *, limit: int, seed: int, hooks: Hooks
) -> list[Pair]:
    """Ask the model to go on with talks; keep replies that ``mvc`` finds less empathetic.

    Args:
        model: ``scheme:target``, as for ``empeval run``.
        arguments: of the model (``adapter=FOLDER``).
        limit: so many prompts are asked; fewer pairs come of them.
        seed: of the choice of prompts and of sampling.
        hooks: hook modules that may resolve the model's name.

    Raises:
        EmpevalError: the model or the data cannot be had.
    """
    held = [*read_talks("test"), *read_talks("validation")]
    talks = {talk.id: talk for talk in without_leaks(read_talks("train"), held)}
    chats = [
        chat
        for talk in talks.values()
        for chat in support_chats(talk)
        if (talk.empathy or 0) >= 4 and len(chat.completion[0].content.split()) >= LEAST_WORDS
    ]
    chosen = {chat.id: chat for chat in draw(chats, limit, seed)}
    items = [_item(chat) for chat in chosen.values()]
    generator = resolve_generator(model, arguments, hooks)
    sampling = Sampling(max_tokens=80, temperature=0.7, seed=seed)
    by_id = {item.id: item for item in items}
    generator.prepare({"esconv": items})
    samples: list[Sample] = []
    try:
        for group in bar(generator.plan(items, sampling), "own replies, groups"):
            samples += [
                Sample(by_id[response.id], response)
                for response in generator.generate(group, sampling)
                if response.response.strip()
            ]
    finally:
        generator.close()
    pairs = []
    for sample, score in zip(samples, MVC().score(samples), strict=True):
        values = score.values
        if score.status == "ok" and values["empathy"] < values.get("human", 0.0):
            chat = chosen[sample.id]
            pairs.append(
                Pair(
                    id=f"{chat.id}~{RULE}",
                    prompt=chat.prompt,
                    chosen=chat.completion,
                    rejected=(Message("assistant", sample.text.strip()),),
                    rule=RULE,
                    rating=talks[chat.id.partition("#")[0]].empathy,
                )
            )
    say(f"{len(pairs)} of {len(samples)} own replies are weaker than the supporter's turn")
    return pairs


def _item(chat: Chat) -> Item:
    return Item(
        id=chat.id,
        messages=chat.prompt,
        cluster=chat.id.partition("#")[0],
        reference=chat.completion[0].content,
    )
