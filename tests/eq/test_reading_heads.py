"""Training the heads on a tiny base: embeddings on disk, figures, choices, and what is written."""

from __future__ import annotations

import csv
import json

import msgspec
import numpy as np
import pytest
import torch

import empeval
from empeval import UsageError
from empeval.data import use_data_directory
from empeval_heads.base import Passage, shared_base
from empeval_heads.bundle import read_eq
from empeval_heads.facts import read_facts
from empeval_heads.head import load_head
from empeval_heads.labels import STRATEGIES
from empeval_training.eq import embeddings as module
from empeval_training.eq import heads as heads_module
from empeval_training.eq.choosing import PRIOR, rate_strategies
from empeval_training.eq.embeddings import embed_to_disk
from empeval_training.eq.esconv import SEEKER, SUPPORTER, Talk, Turn
from empeval_training.eq.fit_head import (
    LIMITS,
    choose_limits,
    fit_head,
    fit_heads,
    logits_of,
    macro_f1,
    predict,
)
from empeval_training.eq.heads import choose_layers, middle_layers, train_heads
from empeval_training.eq.reading import Labelled, read_split
from empeval_training.eq.recipes import Reading, load_reading
from empeval_training.ratings import read_rated

SMALL = {"hidden": "16", "batch_size": "16", "epochs": "6", "max_length": "64", "members": "1"}


@pytest.fixture(scope="module")
def recipe(tiny_base):
    return load_reading("default", SMALL | {"base": str(tiny_base)})


@pytest.fixture(scope="module")
def trained(recipe, mirror, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "heads"
    with use_data_directory(mirror):
        return out, train_heads(recipe, out, ratings=None, seed=17)


def test_what_is_written_scores_by_itself(trained, cli):
    out, result = trained
    names = {path.name for path in out.iterdir()}
    assert {"eq.json", "README.md", "result.json", "emotion-head.pt", "strategy-head.pt",
            "emotion-head.safetensors", "strategy-head.safetensors"} <= names  # fmt: skip
    run = empeval.run(
        "human:", ["ed-mini"], [f"emotion-head:{out}", f"strategy-head:{out}", f"eq:{out}"],
        limit=2, out=out.parent / "run",
    )  # fmt: skip
    assert {m.n_failed for m in run.metrics()} == {0}
    assert read_facts(out / "emotion-head.pt", "emotion").metrics["macro_f1"] == pytest.approx(
        result["figures"]["emotion"]["macro_f1"]
    )


def test_figures_stand_beside_the_majoritys_and_in_the_card(trained):
    out, result = trained
    card = (out / "README.md").read_text()
    for figures in result["figures"].values():
        for name in ("macro_f1", "accuracy", "majority_macro_f1", "majority_accuracy"):
            assert 0 <= figures[name] <= 1
            assert f"{figures[name]:.4f}" in card
    assert result["figures"]["emotion"]["n"] == 32
    assert result["figures"]["strategy"]["n"] == 64


def test_a_finished_run_is_left_alone_and_another_question_refused(trained, recipe, at_mirror):
    out, result = trained
    assert train_heads(recipe, out, ratings=None, seed=17) == result
    with pytest.raises(UsageError, match="another recipe, seed or data"):
        train_heads(recipe, out, ratings=None, seed=18)


def test_the_empathy_classes_are_chosen_on_ratings(recipe, at_mirror, tmp_path):
    ratings = tmp_path / "ratings"
    ratings.mkdir()
    with open(ratings / "epitome_dev.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("sp_id", "rp_id", "seeker_post", "response_post", "er", "ip", "ex"))
        for n in range(120):
            reply = f"Thank you for number {n}." if n % 2 else f"Nothing much, {n}."
            writer.writerow([f"s{n}", f"r{n}", "I am sad.", reply, 2 * (n % 2), 0, 0])
    row = {"dialog_id": "hit:1_conv:1", "emotion": "sad", "speaker_utterance": "Oh.",
           "system": "human", "response": "Oh.", "empathy_rating": 2}  # fmt: skip
    (ratings / "welivita_pu_2024_dev.jsonl").write_text(json.dumps(row) + "\n")
    result = train_heads(recipe, tmp_path / "heads", ratings=ratings, seed=17)
    facts = read_eq(tmp_path / "heads")
    assert facts.empathy_classes == tuple(result["empathy_classes"])
    posts = sum(reply.part == "train" for reply in read_rated(ratings)) - 1
    assert f"EPITOME (er and sum of {posts} replies)" in facts.chosen_by


def test_interrupted_embedding_goes_on(recipe, tiny_base, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)
    base = shared_base(str(tiny_base))
    passages = [Passage(f"This is text number {n}.") for n in range(10)]
    whole = embed_to_disk(passages, base, recipe, tmp_path, "whole", (2,))
    assert whole.dtype == np.float16
    embed, calls = base.embed, []

    def interrupted(chunk, **options):
        calls.append(len(chunk))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return embed(chunk, **options)

    monkeypatch.setattr(base, "embed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        embed_to_disk(passages, base, recipe, tmp_path, "part", (2,))
    found = embed_to_disk(passages, base, recipe, tmp_path, "part", (2,))
    assert calls == [4, 4, 4, 2]
    assert np.array_equal(found, whole)
    embed_to_disk(passages, base, recipe, tmp_path, "part", (2,))
    assert calls == [4, 4, 4, 2], "what is there is not computed again"
    embed_to_disk(passages[:5], base, recipe, tmp_path, "part", (2,))
    assert calls[4:] == [4, 1], "other passages are"


def test_only_a_passages_own_tokens_are_pooled(tiny_base):
    from transformers import AutoModel, AutoTokenizer

    base = shared_base(str(tiny_base))
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    model = AutoModel.from_pretrained(tiny_base).eval()
    before, text = "I failed.\n", "Oh no."
    ids = tokenizer(before + text, add_special_tokens=False).input_ids
    ids = [tokenizer.bos_token_id, *ids]
    with torch.no_grad():
        states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    passages = [Passage(text, before), Passage("A much longer text than the other one is.")]
    for pooling, expected in (("mean", states[-len(text) :].mean(0)), ("last", states[-1])):
        found = base.embed(passages, pooling=pooling)[0]
        assert found == pytest.approx(expected.numpy(), abs=1e-4)


def separable(kind, rows=400, width=12, seed=0):
    dice = np.random.default_rng(seed)
    x = dice.normal(size=(rows, width)).astype(np.float32)
    if kind == "strategy":
        return x, x[:, :8].argmax(1)
    y = np.zeros((rows, 28), dtype=np.float32)
    y[:, :6] = x[:, :6] > 0.5
    return x, y


@pytest.mark.parametrize(("kind", "least"), [("emotion", 0.8), ("strategy", 0.8)])
def test_a_head_learns_what_can_be_learnt(kind, least):
    recipe = Reading(hidden=64, epochs=40, batch_size=32, dropout=0.0)
    train, validation = separable(kind), separable(kind, 200, seed=1)
    fitted = fit_head(kind, train, validation, recipe, 17)
    x, y = separable(kind, 200, seed=2)
    score = macro_f1(kind, predict(kind, logits_of(fitted.head, x), fitted.limits), y)
    reachable = 6 / 28 if kind == "emotion" else 1
    assert score > least * reachable
    again = fit_head(kind, train, validation, recipe, 17)
    assert again.limits == fitted.limits
    for name, weight in fitted.head.state_dict().items():
        assert torch.equal(weight, again.head.state_dict()[name])


def test_a_direction_that_drowns_the_others_is_scaled_down():
    """In the middle of a transformer some directions are hundreds of times as long."""
    parts = []
    for seed in (0, 1):
        x, y = separable("strategy", seed=seed)
        x[:, 11] = 3000 + 300 * x[:, 11]
        parts.append((x, y))
    scores = {
        standardize: fit_head(
            "strategy", *parts, Reading(hidden=64, batch_size=32, standardize=standardize), 17
        ).score
        for standardize in (True, False)
    }
    assert scores[True] > 0.8 > scores[False]


def test_averaged_heads_are_one_head_with_the_mean_of_their_logits():
    train, validation = separable("emotion"), separable("emotion", 200, seed=1)
    recipe = Reading(hidden=16, epochs=3, members=3)
    whole = fit_heads("emotion", train, validation, recipe, 17)
    alone = [fit_head("emotion", train, validation, recipe, 17 + n).head for n in range(3)]
    x = separable("emotion", 50, seed=2)[0]
    expected = np.mean([logits_of(head, x) for head in alone], 0)
    assert logits_of(whole.head, x) == pytest.approx(expected, abs=1e-4)
    assert whole.head.inner.out_features == 48


def test_each_emotion_has_the_threshold_that_reads_validation_best():
    from sklearn.metrics import f1_score

    dice = np.random.default_rng(8)
    targets = (dice.uniform(size=(300, 28)) < np.linspace(0.05, 0.6, 28)).astype(np.float32)
    logits = dice.normal(-1, 1.5, targets.shape) + 2 * targets
    limits, score = choose_limits("emotion", logits, targets)
    chance = 1 / (1 + np.exp(-logits))
    best = [
        max(f1_score(targets[:, c], chance[:, c] >= limit) for limit in LIMITS) for c in range(28)
    ]
    own = [f1_score(targets[:, c], chance[:, c] >= limits[c]) for c in range(28)]
    assert own == pytest.approx(best)
    assert score == pytest.approx(np.mean(best))
    assert len(set(limits)) > 5
    predicted = predict("emotion", logits, limits)
    assert macro_f1("emotion", predicted, targets) == pytest.approx(score)


def test_the_layer_that_reads_validation_best_is_kept(recipe, tiny_base, at_mirror, tmp_path):
    layers = msgspec.structs.replace(recipe, layers=(1, 2))
    out = tmp_path / "heads"
    result = train_heads(layers, out, ratings=None, seed=17)
    base = shared_base(str(tiny_base))
    for kind in ("emotion", "strategy"):
        scores = result["figures"][kind]["by_layer"]
        assert set(scores) == {"1", "2"}
        facts = read_facts(out / f"{kind}-head.safetensors", kind)
        assert facts.layers == (int(max(scores, key=scores.get)),)
        data = read_split(kind, "test", None, 17)
        embedded = base.embed(data.passages, max_length=64, layers=facts.layers)
        head, _ = load_head(out / f"{kind}-head.safetensors", kind)
        predicted = predict(kind, logits_of(head, embedded), facts.thresholds)
        assert macro_f1(kind, predicted, data.targets) == pytest.approx(
            result["figures"][kind]["macro_f1"], abs=0.05
        )
    assert len(read_facts(out / "emotion-head.pt", "emotion").thresholds) == 28


def test_all_layers_come_from_one_pass_and_are_kept_apart(recipe, tiny_base, tmp_path):
    base = shared_base(str(tiny_base))
    passages = [Passage("One text."), Passage("Another one.", "Before.")]
    exact = msgspec.structs.replace(recipe, precision="fp32")
    found = embed_to_disk(passages, base, exact, tmp_path, "two", (2, 1))
    assert found.shape == (2, 2, base.width)
    for place, layer in enumerate((2, 1)):
        alone = base.embed(passages, max_length=64, layers=(layer,))
        assert found[:, place] == pytest.approx(alone, rel=2e-3, abs=2e-3)
    # Other layers or another precision are another set.
    for layers, precision in (((1,), "fp32"), ((2, 1), "bf16")):
        other = msgspec.structs.replace(exact, precision=precision)
        embedded = embed_to_disk(passages, base, other, tmp_path, "two", layers)
        assert embedded.shape[1] == len(layers)
        note = json.loads((tmp_path / "two.json").read_text())
        assert note["layers"] == list(layers)
        assert note["precision"] == precision


def test_layers_that_nobody_named_are_of_the_middle_and_the_last():
    assert middle_layers(30) == (8, 10, 12, 14, 16, 18, 20, 22, 24, 30)
    for depth in range(1, 100):
        layers = middle_layers(depth)
        assert layers[-1] == depth
        assert layers[0] >= 1
        assert len(set(layers)) == len(layers) <= 10


def test_layers_are_tried_on_a_part_and_all_is_read_at_the_best(
    recipe, tiny_base, at_mirror, tmp_path, monkeypatch
):
    base, asked = shared_base(str(tiny_base)), []
    embed = base.embed

    def noted(passages, **options):
        asked.append((len(passages), tuple(options["layers"])))
        return embed(passages, **options)

    monkeypatch.setattr(base, "embed", noted)
    some = msgspec.structs.replace(recipe, layers=(1, 2), trial_examples=20)
    result = train_heads(some, tmp_path / "heads", ratings=None, seed=17)
    best = [tuple(result["figures"][kind]["layers"]) for kind in ("emotion", "strategy")]
    both = (1, 2)
    assert asked == [
        (32, both), (20, both), (96, best[0]), (32, best[0]),
        (64, both), (20, both), (192, best[1]), (64, best[1]),
    ]  # fmt: skip
    note = json.loads((tmp_path / "heads" / "embeddings" / "strategy-train-trial.json").read_text())
    assert note["done"] == 20


class ThreeBits:
    """A base of four layers: each of the first three shows one bit of a passage's number."""

    name, fingerprint, width, depth = "three-bits", "sha256:3", 4, 4

    def embed(self, passages, *, layers, **options):
        states = np.random.default_rng(3).normal(0, 0.05, (len(passages), 4, self.width))
        for row, passage in enumerate(passages):
            for layer in range(3):
                states[row, layer, 0] += 2 * (int(passage.text) >> layer & 1) - 1
                states[row, layer, 1] += layer == 1 and int(passage.text) == 7
        return states[:, [layer - 1 for layer in layers]].reshape(len(passages), -1)


def test_what_three_layers_show_together_is_read_side_by_side(recipe, tmp_path):
    numbers = np.arange(400) % 8
    data = Labelled([Passage(str(n)) for n in numbers], numbers, [str(n) for n in range(400)], "f")
    splits = dict.fromkeys(("train", "validation", "test"), data)
    tried = msgspec.structs.replace(recipe, layers=(1, 2, 3, 4), epochs=40, hidden=32)
    best, scores, read = choose_layers("strategy", splits, ThreeBits(), tried, tmp_path, 17)
    assert best == (1, 2, 3), "layer 2 is the best alone, 4 the base's last"
    assert set(scores) == {(1,), (2,), (3,), (4,), best}
    assert scores[best] > 0.9 > 2 * max(score for layers, score in scores.items() if layers != best)
    assert read.shape == (400, 12)
    assert read[:, 0::4] == pytest.approx(2 * (numbers[:, None] >> np.arange(3) & 1) - 1, abs=0.3)


def test_heads_on_layers_side_by_side_score_by_themselves(
    recipe, tiny_base, at_mirror, tmp_path, monkeypatch
):
    def both(kind, splits, base, recipe, work, seed):
        passages = splits["validation"].passages
        states = embed_to_disk(passages, base, recipe, work, f"{kind}-validation", (1, 2))
        return (1, 2), {}, states.reshape(len(states), -1)

    monkeypatch.setattr(heads_module, "choose_layers", both)
    out = tmp_path / "heads"
    result = train_heads(recipe, out, ratings=None, seed=17)
    base = shared_base(str(tiny_base))
    for kind in ("emotion", "strategy"):
        facts = read_facts(out / f"{kind}-head.safetensors", kind)
        assert (facts.layers, facts.width) == ((1, 2), 2 * base.width)
        assert result["figures"][kind]["layers"] == [1, 2]
    run = empeval.run("human:", ["ed-mini"], [f"eq:{out}"], limit=2, out=tmp_path / "run")
    assert {m.n_failed for m in run.metrics()} == {0}


def test_strategies_are_rated_by_the_next_feedback_and_else_by_the_talk():
    turns = (
        Turn(SEEKER, "I failed."),
        Turn(SUPPORTER, "Which exam?", "Question"),
        Turn(SEEKER, "Maths.", feedback=5),
        Turn(SUPPORTER, "Try again.", "Providing Suggestions"),
        Turn(SEEKER, "Hm."),
    )
    talks = [Talk(f"t-{n}", turns, empathy=1) for n in range(400)]
    table = rate_strategies(talks, (8, 20))
    assert set(table) == set(STRATEGIES)
    share = 400 / (400 + PRIOR)
    assert table["Question"][0] > share
    assert table["Providing Suggestions"][0] < 0.15
    assert table["Information"] == (0.5, 0.5, 0.5), "never seen: the mean of all"
    assert table["Question"][2] < table["Question"][0], "never seen so late: drawn to the mean"


@pytest.mark.usefixtures("at_mirror")
def test_a_supporters_turn_is_read_after_what_the_seeker_said():
    data = read_split("strategy", "train", None, 17)
    assert (
        data.passages[0].before == "I do not know what to do about my job any more. Really, 0-0.\n"
    )
    assert STRATEGIES[data.targets[0]] == "Question"
    assert len(data.passages) == 24 * 8
    assert read_split("strategy", "train", 50, 17).fingerprint != data.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"balance": "2"}, "balance is 2"),
        ({"pooling": "max"}, "pooling is 'max'"),
        ({"hidden": "0"}, "hidden is 0"),
        ({"layers": "12,14"}, "write numbers such as"),
        ({"members": "0"}, "members is 0"),
        ({"depth": "2"}, "no field 'depth'"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        load_reading(None, changes)
