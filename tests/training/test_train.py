"""Training end to end on encoders of a few thousand weights."""

from __future__ import annotations

import sys

import pytest
import torch

from empeval import UsageError
from empeval.data import use_data_directory
from empeval_empathy.checkpoints import load_checkpoint
from empeval_training.recipe import load_recipe
from empeval_training.train import summarize, train


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
    assert all(f["n"] == 68 for f in result["figures"].values())
    assert 0 <= result["figures"]["human"]["mae"] <= 4
    assert ("full_emotion_accuracy" in result["figures"]["human"]) == (model == "mvc")


def test_the_card_holds_the_figures_the_data_and_their_licences(run_small):
    out, result = run_small("mvc", pretrain_epochs="1")
    card = (out / "checkpoint" / "README.md").read_text()
    for name in ("mae", "spearman", "emotion_accuracy"):
        assert f"{result['figures']['human'][name]:.4f}" in card
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
    assert all("MAE" in line and "emotion accuracy" in line for line in lines)


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


def test_seeds_are_summarised_by_mean_and_spread(run_small, tmp_path):
    results = [run_small("baseline", seed=seed)[1] for seed in (1, 2)]
    summary = summarize(results)
    errors = [r["figures"]["human"]["mae"] for r in results]
    assert summary["seeds"] == 2
    assert summary["mae"] == pytest.approx(sum(errors) / 2)
    assert summary["mae_sd"] == pytest.approx(abs(errors[0] - errors[1]) / 2**0.5)
    assert summarize(results[:1])["mae_sd"] == 0
