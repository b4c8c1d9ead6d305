"""Training end to end on encoders of a few thousand weights."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import spearmanr

from empeval import UsageError
from empeval.data import use_data_directory
from empeval_empathy.checkpoints import load_checkpoint
from empeval_empathy.emotions import MECHANISMS
from empeval_empathy.judge import Judge
from empeval_empathy.views import Dialogue
from empeval_training.data import read_examples
from empeval_training.examples import Example
from empeval_training.metrics import fit_scale, own_and_others, people_metrics
from empeval_training.recipe import load_recipe
from empeval_training.scales import NAMES
from empeval_training.selecting import for_people
from empeval_training.train import train


def figures(result):
    return {f"{part} {k}": v for part, f in result["figures"].items() for k, v in f.items()}


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("model", ["baseline", "stm", "mvc"])
def test_each_model_trains_and_its_checkpoint_loads(run_small, model, method):
    more = {"pretrain_epochs": "1"} if model == "mvc" else {}
    out, result = run_small(model, method=method, **more)
    stages = {"baseline": ["both"], "stm": ["both", "emotion"], "mvc": ["both", "goemotions"]}
    assert sorted(p.name for p in (out / "stages").iterdir()) == [
        f"{stage}.safetensors" for stage in stages[model]
    ]
    loaded, tokenizer = load_checkpoint(out / "checkpoint")
    assert loaded.config.architecture == ("cascade" if model == "mvc" else "shared")
    assert tokenizer("so")["input_ids"]
    assert {p.name for p in (out / "checkpoint").iterdir()} >= {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    if method == "lora":
        adapted, _ = load_checkpoint(out / "adapter")
        for name, weight in loaded.state_dict().items():
            assert torch.allclose(adapted.state_dict()[name], weight, atol=5e-3), name
    assert all(result["figures"][part]["n"] == 68 for part in ("human", "all"))
    assert 0 <= result["figures"]["human"]["mae"] <= 4
    assert ("full_emotion_accuracy" in result["figures"]["human"]) == (model == "mvc")


def test_people_are_agreed_with_as_scipy_says_and_measured_on_the_checkpoint(run_small, prepared):
    out, result = run_small("baseline", learning_rate="0.01")
    rated = read_examples(prepared, "rated")
    judged = Judge(out / "checkpoint").judge([Dialogue(e.context, e.reply) for e in rated])
    kinds = np.array([e.variant.removeprefix("rated:") for e in rated])
    expected = {}
    for name in ("exchanges-1-5", "ratings-1-3"):
        said = [e.empathy for e in rated if e.variant == f"rated:{name}"]
        expected[name] = spearmanr(judged.empathy[kinds == name], said).statistic
    levels = judged.mechanisms[kinds == "epitome"]
    said = np.array([e.mechanisms for e in rated if e.variant == "rated:epitome"])
    for column, name in enumerate(MECHANISMS):
        expected[name] = spearmanr(levels[:, column], said[:, column]).statistic
    expected["mechanisms"] = spearmanr(levels.sum(1), said.sum(1)).statistic
    assert result["figures"]["people"] == pytest.approx(expected, abs=1e-3)


def test_without_rated_replies_there_are_no_figures_of_people(run_small, prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "ed")
    (data / "rated.jsonl").write_text("")
    out, result = run_small("baseline", data=data, frozen_layers="0")
    assert set(result["figures"]) == {"human", "all"}
    assert "what people said" not in (out / "checkpoint" / "README.md").read_text()


def test_a_model_that_says_the_same_of_every_reply_agrees_with_nobody(prepared):
    rated = read_examples(prepared, "rated")
    flat = {"empathy": np.full(len(rated), 3.0), "mechanisms": np.ones((len(rated), 3))}
    assert set(people_metrics(rated, flat).values()) == {0.0}


def test_the_scales_are_learned_where_they_were_rated(run_small, prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "ed")
    for path in data.glob("*.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            line["ratings"] = {"emotional_reaction": 2.0, "exploration": 0.0, "label": 5.0}
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    dialogues = [Dialogue(e.context, e.reply) for e in read_examples(data, "test")]
    out, _ = run_small("baseline", data=data, epochs="4", learning_rate="0.01", evaluations="1")
    judged = Judge(out / "checkpoint").judge(dialogues)
    first, second, third = judged.mechanisms.mean(0)
    assert first > 1.3
    assert second == pytest.approx(1, abs=0.2)  # nobody rated it
    assert third < 0.7
    assert judged.empathy.mean() > 3.5  # nothing ties it to people, so it is the label


def example(name, variant, **known):
    dialogue = name.partition("~")[0]
    return Example(
        name, "train", dialogue, "sad", ("It is over.",), f"Oh, {name}.", variant, **known
    )


def test_the_last_stage_is_what_people_rated_their_variants_and_a_share_of_the_rest():
    rated = [example(f"epitome:{n}", "rated:epitome") for n in range(8)]
    changed = [example("epitome:1~echo", "echo"), example("epitome:2~stranger", "stranger")]
    others = [example(f"hit:{n}", "human") for n in range(20)]
    others += [example("condolence:1", "rated:condolence"), example("hit:1~echo", "echo")]
    made = Counter(e.id for e in for_people(others + changed + rated, 3, 17))
    assert {name: n for name, n in made.items() if name.startswith("epitome:")} == {
        **{e.id: 3 for e in rated},
        **{e.id: 1 for e in changed},
    }
    # a quarter of eight
    assert sum(n for name, n in made.items() if not name.startswith("epitome:")) == 2
    assert for_people(others + changed, 3, 17) == []


def test_what_people_rated_is_in_the_last_stage_alone(run_small, prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "ed")
    before = read_examples(data, "train")
    rated = [
        example(f"epitome:{n}", "rated:epitome", empathy=None, ratings={"exploration": 2.0})
        for n in range(40)
    ]
    with open(data / "train.jsonl", "ab") as file:
        file.writelines(msgspec.json.encode(e) + b"\n" for e in rated)
    few = {"epochs": "0.1", "learning_rate": "0.01", "evaluations": "1"}
    out, result = run_small("baseline", data=data, people_epochs="20", **few)
    assert {p.name for p in (out / "stages").iterdir()} == {
        "both.safetensors",
        "people.safetensors",
    }
    assert result["training_examples"] == len(before)
    judged = Judge(out / "checkpoint").judge([Dialogue(rated[0].context, rated[0].reply)])
    assert judged.mechanisms[0, MECHANISMS.index("exploration")] > 1.5
    out, result = run_small("baseline", out=tmp_path / "mixed", data=data, **few)
    assert [p.name for p in (out / "stages").iterdir()] == ["both.safetensors"]
    assert result["training_examples"] == len(before) + len(rated)


def test_each_reply_of_a_person_is_held_against_two_to_somebody_else():
    humans = [
        msgspec.structs.replace(example(f"{talk}:{n}", "human"), conversation=f"talk {talk}")
        for talk in range(5)
        for n in range(3)
    ]
    made = [*humans, example("0:0~padded", "padded")]
    own, others = own_and_others(made)
    assert own_and_others(made) == (own, others)  # drawn always alike
    assert Counter(e.id for e in own) == {e.id: 2 for e in humans}
    replies = {e.reply: e.conversation for e in humans}
    for one, other in zip(own, others, strict=True):
        assert (other.context, other.conversation) == (one.context, one.conversation)
        assert replies[other.reply] != one.conversation
    assert len({(e.id, e.reply) for e in others}) == len(others)  # no reply twice for one
    assert own_and_others(humans[:3]) == ([], [])  # all of one conversation


def test_of_variants_that_nobody_rated_a_share_is_trained_on(run_small, prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "ed")
    people = read_examples(data, "train")
    rated = example("epitome:1~echo", "echo", empathy=None, ratings={"relevance": 1.0})
    made = [
        msgspec.structs.replace(e, id=f"{e.id}~echo", variant="echo", reply=e.context[-1])
        for e in people[:20]
    ]
    with open(data / "train.jsonl", "ab") as file:
        file.writelines(msgspec.json.encode(e) + b"\n" for e in [*made, rated])
    _, result = run_small("baseline", data=data, variants_share="0.25", epochs="0.1")
    assert result["training_examples"] == len(people) + 5 + 1


def test_while_it_is_probed_an_encoder_stays_as_it_is(run_small):
    out, _ = run_small("baseline", method="lora", probe_learning_rate="0.01")
    probed = load_file(out / "stages" / "both.safetensors")
    assert probed
    assert not any("lora" in name for name in probed), "adapters did not train"
    out, _ = run_small("baseline", out=out.parent / "whole", method="lora")
    assert any("lora" in name for name in load_file(out / "stages" / "both.safetensors"))


def validation_like(names, count=60, seed=3):
    """Examples of a validation split on which people follow one latent."""
    dice = np.random.default_rng(seed)
    latent, examples = {}, []
    for name in names:
        for n in range(count):
            x = float(dice.normal())
            said = float(np.clip(round(3 + x + dice.normal() * 0.5), 1, 5))
            levels = (float(np.clip(round(1 + x), 0, 2)),) * 3 if name == "epitome" else None
            examples.append(
                Example(f"{name}{n}", "validation", f"{name} {n // 2}", "", ("a",), f"{name} {n}",
                        f"rated:{name}", None if levels else said, levels)
            )  # fmt: skip
            latent[f"{name} {n}"] = (x, 0.0)
    for n in range(count):
        about = f"human {n}"  # what its own reply is known by
        examples.append(Example(f"c{n}", "validation", f"c{n}", "", (about,), about, "human", 3.0))

    def latents(some):
        rows = np.zeros((len(some), len(NAMES)))
        for row, example in zip(rows, some, strict=True):
            belongs = 3.0 if example.context[-1] == example.reply else -3.0
            found = latent.get(example.reply, (0.0, belongs))
            row[NAMES.index("ratings")], row[NAMES.index("relevance")] = found
        return rows

    return examples, latents


STEPS = {name: [0.0] for name in NAMES}


def test_the_one_number_is_chosen_and_tied_on_validation():
    examples, latents = validation_like(("epitome", "ratings-1-3", "exchanges-1-5"))
    overall = fit_scale(examples, latents, STEPS)
    assert "ratings" in overall.weights
    assert overall.relevance > 0  # only that tells a stranger's reply
    rated = [e for e in examples if e.variant == "rated:exchanges-1-5"]
    said = [e.empathy for e in rated]
    made = overall.empathy(latents(rated))
    assert spearmanr(made, said).statistic > 0.8
    assert made.mean() == pytest.approx(np.mean(said), abs=0.25)
    assert ((made > 1) & (made < 5)).all()


def test_without_both_kinds_of_ratings_nothing_is_tied():
    examples, latents = validation_like(("epitome", "ratings-1-3"))
    assert fit_scale(examples, latents, STEPS) is None


def test_a_checkpoint_says_what_its_configuration_says(run_small, prepared, tmp_path):
    """The tied number is the same from the checkpoint as by the formula on its latents."""
    data = shutil.copytree(prepared, tmp_path / "ed")
    examples, _ = validation_like(("epitome", "ratings-1-3", "exchanges-1-5"), count=12)
    lines = [msgspec.json.encode(e) for e in [*read_examples(data, "validation"), *examples]]
    (data / "validation.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    out, _ = run_small("mvc", data=data, method="lora")
    facts = json.loads((out / "checkpoint" / "config.json").read_text())["overall"]
    model, _ = load_checkpoint(out / "adapter")
    dice = torch.Generator().manual_seed(4)
    seen, whole = torch.randn(2, 5, 16, generator=dice)
    with torch.no_grad():
        given = model.heads(seen, whole)
    latents = {name: given.latents[:, n].numpy() for n, name in enumerate(NAMES)}
    total = sum(w * (latents[n] - facts["means"][n]) / facts["deviations"][n]
                for n, w in facts["weights"].items()) / sum(facts["weights"].values())  # fmt: skip
    belongs = latents["relevance"] - facts["unsure"]
    total = total - facts["relevance"] * np.log1p(np.exp(-belongs))
    above = [1 / (1 + np.exp(-(facts["slope"] * total - t))) for t in facts["thresholds"]]
    assert given.empathy.numpy() == pytest.approx(1 + np.sum(above, axis=0), abs=1e-4)


def test_the_card_holds_the_figures_the_data_and_their_licences(run_small):
    out, result = run_small("mvc", pretrain_epochs="1")
    card = (out / "checkpoint" / "README.md").read_text()
    for name in ("mae", "spearman", "emotion_accuracy"):
        assert f"{result['figures']['human'][name]:.4f}" in card
    for name, value in result["figures"]["people"].items():
        assert f"{name} {value:.3f}" in card
    for words in (
        "sha256:tiny",
        "Apache-2.0",
        "non-commercial",
        "learning_rate = 0.003",
        "seed 17",
    ):
        assert words in card
    head = card.split("---")[1]
    assert "google-research-datasets/go_emotions" in head
    assert "base_model" not in head  # a local folder means nothing on the hub


@pytest.mark.parametrize("model", ["baseline", "stm", "mvc"])
def test_roberta_trains_with_the_authors_configuration(
    roberta, prepared, comments, tmp_path, model
):
    small = {"encoder": str(roberta), "max_length": "64", "epochs": "1"}
    authors = load_recipe(model, "authors", small)
    assert authors.learning_rate == (3e-5 if model == "baseline" else 2e-5)
    with use_data_directory(comments):
        train(authors, prepared, tmp_path / "run", seed=17)
    loaded, _ = load_checkpoint(tmp_path / "run" / "checkpoint")
    assert loaded.config.encoder["model_type"] == "roberta"
    assert loaded.config.pooling == "cls"


@pytest.mark.parametrize(("model", "method"), [("baseline", "full"), ("mvc", "lora")])
def test_the_same_seed_gives_the_same_figures(run_small, tmp_path, model, method):
    _, one = run_small(model, method=method, out=tmp_path / "one")
    _, two = run_small(model, method=method, out=tmp_path / "two")
    assert figures(one) == pytest.approx(figures(two), abs=1e-6)
    _, other = run_small(model, method=method, seed=18, out=tmp_path / "three")
    assert figures(one) != pytest.approx(figures(other), abs=1e-6)


def test_a_finished_run_does_nothing(run_small, capsys):
    out, first = run_small("baseline")
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    capsys.readouterr()
    assert run_small("baseline")[1] == first
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == before
    assert capsys.readouterr() == ("", "")


def test_another_recipe_seed_or_data_in_the_same_folder_is_refused(run_small, tmp_path):
    run_small("baseline", out=tmp_path / "run")
    with pytest.raises(UsageError, match="another recipe, seed or data"):
        run_small("baseline", out=tmp_path / "run", epochs="2")
    with pytest.raises(UsageError, match="another recipe, seed or data"):
        run_small("baseline", out=tmp_path / "run", seed=18)


def test_training_says_a_line_a_stage_when_nobody_watches(run_small, capfd):
    run_small("stm", method="lora")
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "stm-17: stage emotion",
        "stm-17: stage both",
    ]
    assert "emotion accuracy" in lines[0]
    assert "training loss" in lines[1]


def test_a_terminal_gets_a_bar_and_no_raw_figures(run_small, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run_small("baseline")
    out, err = capsys.readouterr()
    assert out == ""
    assert "9/9" in err
    assert "{" not in err


def test_training_in_half_precision_gives_figures_in_full(run_small):
    _, result = run_small("mvc", method="lora", precision="bf16", pretrain_epochs="1")
    assert 0 <= result["figures"]["human"]["mae"] <= 4
