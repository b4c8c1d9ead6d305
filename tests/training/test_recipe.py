"""Recipes: bundled configurations, TOML files of people, and changes on the command line."""

from __future__ import annotations

import msgspec
import pytest

from empeval import UsageError
from empeval_training.recipe import MODELS, Recipe, change, load_recipe
from empeval_training.settings import CONFIGS

BUNDLED = sorted(path.stem for path in CONFIGS.glob("*.toml"))


def write(folder, text):
    path = folder / "own.toml"
    path.write_text(text)
    return str(path)


def test_the_configurations_that_the_help_names_are_there():
    assert {"authors", "minilm", "minilm-cpu"} <= set(BUNDLED)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("config", BUNDLED)
def test_every_bundled_configuration_loads_for_every_model(config, model):
    assert load_recipe(model, config, {}).model == model


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("baseline", {"batch_size": 16, "gradient_accumulation": 2, "learning_rate": 3e-5}),
        ("stm", {"batch_size": 16, "gradient_accumulation": 2, "learning_rate": 2e-5}),
        ("mvc", {"batch_size": 8, "gradient_accumulation": 1, "learning_rate": 2e-5, "epochs": 4}),
    ],
)  # fmt: skip
def test_the_default_is_what_the_authors_state(model, expected):
    recipe = msgspec.to_builtins(load_recipe(model, None, {}))
    common = {"encoder": "FacebookAI/roberta-base", "max_length": 256, "lambda_emo": 0.1}
    assert {name: recipe[name] for name in expected | common} == expected | common


def test_sequential_transfer_trains_the_emotion_for_the_first_of_ten_epochs():
    recipe = load_recipe("stm", "authors", {})
    assert recipe.emotion_epochs > 0
    assert recipe.emotion_epochs + recipe.epochs == 10


def test_the_models_table_goes_before_the_common_one(tmp_path):
    path = write(tmp_path, "[all]\nepochs = 3\nbatch_size = 4\n[mvc]\nepochs = 7\n")
    assert load_recipe("mvc", path, {}).epochs == 7
    assert load_recipe("stm", path, {}).epochs == 3
    assert load_recipe("mvc", path, {}).batch_size == 4


def test_changes_go_before_the_file():
    recipe = load_recipe("mvc", "minilm", {"epochs": "0.5", "method": "lora", "eval_examples": "9"})
    assert (recipe.epochs, recipe.method, recipe.eval_examples) == (0.5, "lora", 9)


def test_none_takes_a_limit_away():
    recipe = load_recipe("mvc", "minilm-cpu", {"train_examples": "none"})
    assert recipe.train_examples is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", "0"),
        ("epochs", "-1"),
        ("epochs", "inf"),
        ("epochs", "nan"),
        ("epochs", "many"),
        ("epochs", "none"),
        ("learning_rate", "0"),
        ("batch_size", "0"),
        ("batch_size", "1.5"),
        ("batch_size", ""),
        ("max_length", "8"),
        ("dropout", "1"),
        ("dropout", "-0.1"),
        ("warmup", "2"),
        ("lambda_emo", "-1"),
        ("lambda_emo", "nan"),
        ("rated_repeats", "0"),
        ("frozen_layers", "-1"),
        ("frozen_layers", "1.5"),
        ("train_examples", "0"),
        ("pooling", "max"),
        ("method", "qlora"),
        ("precision", "int8"),
        ("class_weights", "yes"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=rf"--set: {name} is '?{value}"):
        load_recipe("baseline", "minilm", {name: value})


@pytest.mark.parametrize("name", ["epoch", "model", ""])
def test_a_field_that_does_not_exist_is_refused_with_those_that_do(name):
    with pytest.raises(UsageError, match=rf"no field '{name}'; it has encoder, pooling") as caught:
        load_recipe("baseline", "minilm", {name: "mvc"})
    assert "lambda_emo" in str(caught.value)


def test_the_error_names_the_option_that_the_change_is_from():
    with pytest.raises(UsageError, match=r"^--sweep: a recipe has no field 'x'"):
        change(Recipe(model="mvc"), {"x": "1"}, "--sweep")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[all]\nepoch = 3\n", "unknown field `epoch`"),
        ("[all]\nepochs = 'many'\n", "epochs is 'many'"),
        ("[all]\nepochs = [1]\n", r"epochs is \[1\]"),
        ("[all]\nbatch_size = -2\n", "batch_size is -2; it must be 1 or more"),
        ("[bert]\nepochs = 3\n", r"unknown table 'bert'; it takes \[all\], \[baseline\]"),
        ("epochs = 3\n", "unknown entry outside a table, 'epochs'"),
        ("all = 3\n", "unknown entry outside a table, 'all'"),
        ("[[mvc]]\nepochs = 3\n", "'mvc'"),
        ("[all\n", "is no TOML file"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UsageError, match=message) as caught:
        load_recipe("mvc", path, {})
    assert path in str(caught.value)


@pytest.mark.parametrize("name", ["minilm2", "no/such.toml", "Authors"])
def test_a_configuration_that_does_not_exist_is_refused_with_those_that_do(name):
    with pytest.raises(UsageError, match="authors, minilm, minilm-cpu") as caught:
        load_recipe("mvc", name, {})
    assert name in str(caught.value)


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "own.toml").write_bytes(b"[all]\n# caf\xe9\n")
    with pytest.raises(UsageError, match="is no TOML file"):
        load_recipe("mvc", str(tmp_path / "own.toml"), {})
