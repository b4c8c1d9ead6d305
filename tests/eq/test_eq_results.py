"""EQ_RESULTS.md from real folders of every step: each figure is the one that was measured."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from support.support_talks import COMMENTS
from support.tiny_heads import make_heads

import empeval
from empeval import Response, Sample
from empeval.data import use_data_directory
from empeval_heads.bundle import read_eq
from empeval_heads.scorers import EQ
from empeval_heads.variants import variants
from empeval_training.eq import people
from empeval_training.eq.heads import train_heads
from empeval_training.eq.prepare import prepare_dpo, prepare_sft, read_made
from empeval_training.eq.recipes import load_reading, load_tuning
from empeval_training.eq.results import write_results
from empeval_training.eq.tuning import tune

SMALL = {"hidden": "8", "epochs": "2", "max_length": "64"}
TINY = {"batch_size": "2", "gradient_accumulation": "1", "max_length": "400", "evaluations": "1",
        "train_examples": "4", "eval_examples": "6", "lora_rank": "2"}  # fmt: skip


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratings")
    with open(folder / "epitome_dev.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("sp_id", "rp_id", "seeker_post", "response_post", "er", "ip", "ex"))
        for n in range(120):
            reply = f"{COMMENTS[n % 4][0]}, and more of it {n}."
            writer.writerow([f"s{n}", f"r{n}", f"I am sad, {n}.", reply, n % 3, n % 2, 0])
    rows = [
        {"dialog_id": f"hit:{n}_conv:1", "emotion": "sad", "speaker_utterance": f"Oh, {n}.",
         "system": "human", "response": f"Dear me {n}.", "empathy_rating": 1 + n % 3}
        for n in range(40)
    ]  # fmt: skip
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "welivita_pu_2024_dev.jsonl").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def steps(mirror, tiny_base, ratings, tmp_path_factory):
    root = tmp_path_factory.mktemp("steps")
    base = {"base": str(tiny_base)}
    with use_data_directory(mirror):
        prepare_sft(root / "mix", temperature=2.0, total=20, validation=6, seed=17)
        prepare_dpo(root / "pairs", limit=9, validation=6, seed=17)
        sft = tune("sft", load_tuning("sft", "cpu", TINY | base), root / "mix", root / "sft",
                   adapter=None, seed=17)  # fmt: skip
        dpo = tune("dpo", load_tuning("dpo", "cpu", TINY | base), root / "pairs", root / "dpo",
                   adapter=root / "sft" / "adapter", seed=17)  # fmt: skip
        heads = train_heads(
            load_reading("default", SMALL | base | {"layers": "1+2"}),
            root / "heads",
            ratings=ratings,
            seed=17,
        )
        asked = {"tasks": ["ed-empathy"], "scorers": ["surface", f"eq:{root / 'heads'}"]}
        human = empeval.run("human:", **asked, out=root / "human")
        answers = root / "answers.jsonl"
        lines = [{"id": line.id, "response": f"I am so sorry to hear that, number {place}."}
                 for place, line in enumerate(human.responses("ed-empathy"))]  # fmt: skip
        answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
        empeval.run(f"replay:{answers}", **asked, out=root / "small")
        make_heads(root / "earlier", tiny_base)
    return root, {"sft": sft, "dpo": dpo, "heads": heads, "run": human}


@pytest.fixture(scope="module")
def text(steps, ratings):
    root, _ = steps
    with pytest.MonkeyPatch.context() as patch:
        # The real judges take a minute; their table is the same.
        patch.setattr(people, "others", lambda: {"length": _length})
        path = write_results(
            root / "heads",
            [root / "sft", root / "dpo"],
            {"human": root / "human", "small": root / "small"},
            ratings,
            root / "out",
            mixture=root / "mix",
            variant_runs=[root / "human"],
            before=root / "earlier",
        )
    return path.read_text()


def _length(dialogues):
    return np.array([float(len(d.reply)) for d in dialogues])


def section(text, title):
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_heads_stand_beside_the_majority_and_published_models(text, steps):
    found = section(text, "Heads")
    for figures in steps[1]["heads"]["figures"].values():
        for name in ("macro_f1", "accuracy", "majority_macro_f1", "majority_accuracy"):
            assert f"{figures[name]:.4f}" in found
        classes = figures["f1_by_class"]
        assert np.mean(list(classes.values())) == pytest.approx(figures["macro_f1"])
        assert all(f"{name} {score:.2f}" in found for name, score in classes.items())
    assert "BERT" in found
    assert "RoBERTa" in found


def table(text, start):
    """The cells of the table that begins with a heading cell, by row."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(f"| {start}"))
    rows = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[0], rows[2:]


def test_each_layers_figure_is_there_and_the_kept_one_is_bold(text, steps):
    header, rows = table(section(text, "By layer"), "layer")
    assert header == ["layer", "emotion", "strategy"]
    for layer, *cells in rows:
        for kind, cell in zip(("emotion", "strategy"), cells, strict=True):
            figures = steps[1]["heads"]["figures"][kind]
            assert cell.strip("*") == f"{figures['by_layer'][layer]:.4f}"
            assert cell.startswith("**") == (figures["layers"] == [int(layer)])


def test_people_stand_against_a_model_before_and_after(text, steps):
    """By the scorer itself, asked anew."""
    root, _ = steps
    found = section(text, "Before and after, people against models")
    header, rows = table(found, "replies of")
    assert {row[0] for row in rows} == {"small"}, "people are not set against themselves"
    cells = {(row[1], row[2]): dict(zip(header, row, strict=True)) for row in rows}
    for judge, folder in (("before", "earlier"), ("these", "heads")):
        means = {}
        for name in ("human", "small"):
            run = empeval.Run(root / name)
            samples = [
                Sample(line.item, Response(line.id, line.response))
                for line in run.responses("ed-empathy")
            ]
            scores = EQ(str(root / folder)).score(samples)
            means[name] = [score.values["eq"] for score in scores]
        row = cells["eq", judge]
        assert float(row["people"].split()[0]) == pytest.approx(np.mean(means["human"]), abs=2e-3)
        assert float(row["model"].split()[0]) == pytest.approx(np.mean(means["small"]), abs=2e-3)
        first = np.mean(np.array(means["human"]) > np.array(means["small"]))
        assert float(row["people's first"].split()[0]) == pytest.approx(first, abs=2e-3)
    header, rows = table(found, "figure")
    assert len(rows) == 4
    assert any("within a dialogue" in name for name in header) is False


def test_sections_that_are_not_given_are_kept_from_an_earlier_document(text, steps, ratings):
    root, _ = steps
    (root / "old.md").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "others", lambda: {"length": _length})
        path = write_results(
            root / "heads", [], {}, ratings, root / "again", replied={"small": root / "small"},
            earlier=root / "old.md", version="commit abc",
        )  # fmt: skip
    again = path.read_text()
    for title in ("The mixture", "Tuning", "The four variants", "The claim"):
        kept = section(again, title)
        assert "Kept from the document of commit abc" in kept
        assert kept.strip().endswith(section(text, title).strip())
    for title in ("Heads", "By layer", "Agreement with people"):
        assert section(again, title) == section(text, title)


def test_the_mixture_stands_beside_its_formula(text, steps):
    found = section(text, "The mixture")
    for name, source in read_made(steps[0] / "mix", "sft").facts["sources"].items():
        (row,) = [line for line in found.splitlines() if name in line]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1:] == [
            str(source["available"]),
            f"{source['share']:.4f}",
            str(source["drawn"]),
            f"{source['drawn'] / 20:.4f}",
        ]


def test_tuning_has_before_after_and_rules(text, steps):
    found = section(text, "Tuning")
    for step, names in (("sft", ("loss",)), ("dpo", ("reward_accuracy", "reward_margin"))):
        figures = steps[1][step]["figures"]
        for name in names:
            label = f" {name.replace('_', ' ')} "
            (row,) = [line for line in found.splitlines() if label in line and step in line]
            assert f"{figures['before'][name]:.4f}" in row
            assert f"{figures['after'][name]:.4f}" in row
    for rule, share in steps[1]["dpo"]["figures"]["after"]["reward_accuracy_by_rule"].items():
        assert f"{rule} " in found
        assert f"{share:.3f}" in found


def test_variants_and_people(text, steps):
    root, made = steps
    found = section(text, "The four variants")
    for variant in variants(made["run"], "ed-empathy"):
        assert f"{variant.eq[0]:.4f} [" in found
    found = section(text, "Agreement with people")
    for judge in ("eq", "empathy_mass", "strategy_alignment", "emotion_alignment", "length"):
        assert f"| {judge} " in found
    assert all(name in text for name in read_eq(root / "heads").empathy_classes)
    means = section(text, "The claim").partition("Paired differences")[0]
    assert "ED EQ score" in means
    assert "EQ-Bench v2" not in means


def test_dpo_as_the_scores_alignment(cli, steps, ratings, mirror, tiny_base, tmp_path):
    root, _ = steps
    heads = tmp_path / "heads"
    shutil.copytree(root / "heads", heads)
    recipe = SMALL | {"base": str(tiny_base), "layers": "1+2"}
    small = ",".join(f"{k}={v}" for k, v in recipe.items())
    command = ("train", "heads", "--out", str(heads), "--ratings", str(ratings), "--data-dir",
               mirror, "--set", small)  # fmt: skip
    for more, message in (
        (("--reference", str(root / "sft" / "adapter")), "goes with --reward"),
        (("--reward", str(root / "sft")), "is of 'sft', not of 'dpo'"),
        (("--reward", str(root / "mix")), "holds no finished training"),
        (("--reward", str(root / "dpo")), "name it with --reference"),
        (
            ("--reward", str(root / "dpo"), "--reference", str(root / "dpo" / "adapter")),
            "is not the adapter that",
        ),
    ):
        outcome = cli(*command, *more)
        assert outcome.code == 2
        assert message in outcome.err
    assert read_eq(heads).alignment == "strategy"
    given = ("--reward", str(root / "dpo"), "--reference", str(root / "sft" / "adapter"))
    assert cli(*command, *given).code == 0
    assert read_eq(heads).alignment == "reward"
    run = empeval.run("human:", ["ed-mini"], [f"eq:{heads}"], limit=2, out=tmp_path / "run")
    values = [score.values for score in run.scores("ed-mini", "eq")]
    assert all(0 < v["alignment"] < 1 for v in values)
    assert all(v["eq"] == pytest.approx(v["empathy_mass"] + 0.3 * v["alignment"], abs=1e-4)
               for v in values)  # fmt: skip
