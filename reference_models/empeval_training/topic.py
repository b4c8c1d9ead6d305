"""The last thing that a model learns: which reply was given to which context.

The encoder stays as the stages before left it. Of a batch of contexts and the replies that people
gave to them, each context's own reply is to be the nearest, and each reply's own context. Two
linear maps learn it (``empeval_empathy.heads.Topic``) from pooled states that are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from empeval.toolkit import PooledEncoder, TokenRow
from empeval_empathy.scales import RELEVANCE
from empeval_empathy.views import Dialogue, Row, ViewBuilder
from empeval_training.examples import HUMAN, Example
from empeval_training.metrics import thresholds
from empeval_training.progress import say
from empeval_training.recipe import Recipe
from empeval_training.scales import NAMES
from empeval_training.stages import restore, save_weights

STAGE = "topic"
BATCH = 512
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.05
DROPOUT = 0.1
"""Of what the maps read."""
TEMPERATURE = 20.0
"""What the cosines are multiplied by at first; it is learned."""


def given_replies(examples: Sequence[Example]) -> list[Example]:
    """Replies that people gave to their contexts, rated or not, each once; no variants."""
    own = {e.id: e for e in examples if e.variant == HUMAN or e.variant.startswith("rated:")}
    return [example for example in own.values() if example.ratings.get(RELEVANCE) == 1.0]


def learn_topic(
    model: Any,
    views: ViewBuilder,
    recipe: Recipe,
    training: Sequence[Example],
    out: Path,
    seed: int,
) -> None:
    """Fit a model's ``topic`` in place; one that is in the run's folder is taken from there.

    Args:
        model: without adapters.
        views: its.
        recipe: ``topic_epochs`` and the precision.
        training: what ``given_replies`` gives of the training split.
        out: the run's folder; the weights are kept in ``stages/topic.safetensors``.
        seed: of the order and the first maps.
    """
    done = out / "stages" / f"{STAGE}.safetensors"
    if done.is_file():
        restore(model.topic, done)
        return
    built = views.build([Dialogue(e.context, e.reply) for e in training])
    contexts = pooled_rows(model, views, [view.context for view in built], recipe)
    replies = pooled_rows(model, views, [view.reply for view in built], recipe)
    conversations = np.unique([e.conversation for e in training], return_inverse=True)[1]
    right = fit_topic(
        model.topic, contexts, replies, torch.from_numpy(conversations), recipe.topic_epochs, seed
    )
    save_weights(model.topic.state_dict(), done)
    among = min(BATCH, len(training))
    say(f"{out.name}: stage {STAGE}; {right:.1%} of the contexts find their reply among {among}")


def learning(model: Any) -> Any:
    """The ``Topic`` of a model with adapters that is saved: PEFT keeps the first one beside it."""
    wrapped = getattr(model.topic, "modules_to_save", None)
    return model.topic if wrapped is None else wrapped["default"]


def pooled_rows(model: Any, views: ViewBuilder, rows: Sequence[Row], recipe: Recipe) -> Tensor:
    """What a model's ``topic`` reads of rows, shape (rows, layers * hidden), on the CPU."""
    encoder = PooledEncoder(
        model.encoder,
        pooling=model.config.pooling,
        padding=views.padding,
        segments=views.segments,
        layers=model.config.topic["layers"],
    )
    unique = {tuple(row.ids): None for row in rows}
    numbers = dict(zip(unique, range(len(unique)), strict=True))
    given = [TokenRow(ids) for ids in unique]
    half = recipe.precision == "bf16" and encoder.device == "cpu"
    with torch.autocast("cpu", dtype=torch.bfloat16) if half else nullcontext():
        found = encoder.pooled(given).float().cpu()
    return found[[numbers[tuple(row.ids)] for row in rows]]


def fit_topic(
    topic: Any, contexts: Tensor, replies: Tensor, conversations: Tensor, epochs: float, seed: int
) -> float:
    """Learn the maps by cross-entropy within batches, in both directions.

    Args:
        topic: changed in place.
        contexts: pooled states, shape (pairs, inputs).
        replies: the same of the replies.
        conversations: shape (pairs,); a reply of the same conversation is no wrong one.
        epochs: passes over the pairs.
        seed: of the order and the first maps.

    Returns:
        The share of the last pass's contexts whose own reply was the nearest.
    """
    dice = torch.Generator().manual_seed(seed)
    batch = min(BATCH, len(contexts))
    steps = max(1, round(epochs * (len(contexts) // batch)))
    with torch.no_grad():
        topic.centre.copy_(torch.cat([contexts, replies]).mean(0))
        nn.init.orthogonal_(topic.context.weight, generator=dice)
        topic.reply.weight.copy_(topic.context.weight)
    temperature = nn.Parameter(torch.tensor(TEMPERATURE).log())
    weights = [topic.context.weight, topic.reply.weight, temperature]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    order: list[int] = []
    hits: list[float] = []
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(contexts), generator=dice).tolist()
        own, order = order[:batch], order[batch:]
        seen, said = (_thinned(part[own], dice) for part in (contexts, replies))
        near = topic.of_contexts(seen) @ topic.of_replies(said).T * temperature.exp()
        same = conversations[own, None] == conversations[None, own]
        near = near.masked_fill(same.fill_diagonal_(False), -1e4)
        right = torch.arange(batch)
        loss = functional.cross_entropy(near, right) + functional.cross_entropy(near.T, right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        hits.append(float((near.argmax(1) == right).float().mean()))
    latest = hits[-max(1, len(contexts) // batch) :]
    return float(np.mean(latest))


def _thinned(rows: Tensor, dice: torch.Generator) -> Tensor:
    kept = torch.rand(rows.shape, generator=dice) >= DROPOUT
    return rows * kept / (1 - DROPOUT)


def mix_relevance(
    model: Any,
    own: Sequence[Example],
    others: Sequence[Example],
    predicted: Callable[[Sequence[Example]], dict[str, np.ndarray]],
) -> None:
    """Set how a model's topic makes one latent of relevance of the cosine and the head's latent.

    Logistic regression of people's replies against replies to somebody else.

    Args:
        model: without adapters; its ``topic`` is changed in place.
        own: people's replies.
        others: replies to somebody else.
        predicted: gives ``latents`` and ``match`` of examples.
    """
    from sklearn.linear_model import LogisticRegression

    if not others:
        return  # nothing says how much the cosine is worth; relevance stays the head's
    topic = model.topic
    column = NAMES.index(RELEVANCE)
    with torch.no_grad():
        topic.mix.copy_(torch.tensor([1.0, 0.0, 0.0]))
    found = [predicted(examples) for examples in (own, others)]
    given = np.concatenate([np.stack([f["latents"][:, column], f["match"]], 1) for f in found])
    right = np.repeat([1, 0], [len(own), len(others)])
    spread = given.std(0).clip(1e-6)
    fitted = LogisticRegression(C=100.0).fit(given / spread, right)
    unsure = thresholds(model)[RELEVANCE][0]
    mix = [*(fitted.coef_[0] / spread), fitted.intercept_[0] + unsure]
    with torch.no_grad():
        topic.mix.copy_(torch.tensor(mix))
