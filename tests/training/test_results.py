"""``train results``: both documents from small runs and audits; each number is one of theirs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import spearmanr
from support.audited import certificate
from support.rated_files import teacher_rows

from empeval import DataError, UsageError
from empeval.data import use_data_directory
from empeval_empathy.emotions import MECHANISMS
from empeval_training import results as module
from empeval_training.data import read_examples
from empeval_training.prepare import prepare
from empeval_training.recipe import load_recipe
from empeval_training.results import write_documents
from empeval_training.teacher.data import read_rated_sets
from empeval_training.teacher.labelling import Labeller, link
from empeval_training.teacher.targets import HEADS
from empeval_training.teacher.training import TeacherReader
from empeval_training.trained import RATED_AS

MAE = {("baseline", 1): 0.51, ("baseline", 2): 0.53, ("stm", 1): 0.52, ("stm", 2): 0.5,
       ("mvc", 1): 0.41, ("mvc", 2): 0.45}  # fmt: skip


def measured(mae, place):
    return {"n": 40, "mae": mae, "spearman": 1 - mae, "emotion_accuracy": mae / 2,
            "mae_of_median": 0.77, "label_sd": 0.6,
            **{m: round(0.1 * place + mae / 10, 4) for place, m in enumerate(MECHANISMS, place)},
            }  # fmt: skip


def result(model, seed, mae, weight=0.1):
    import msgspec

    recipe = load_recipe(model, "minilm-cpu", {"lambda_emo": str(weight), "encoder": "our-encoder"})
    people = {name: round(0.2 + mae / 10 + n / 100, 4) for n, name in enumerate(RATED_AS)}
    validation = {name: value + 0.1 for name, value in people.items()}
    return {
        "recipe": msgspec.to_builtins(recipe), "seed": seed, "data": "d", "seconds": 12.0,
        "figures": {"human": measured(mae, 1), "all": measured(mae + 0.2, 2), "people": people,
                    "people-validation": validation},
        "training_examples": 123, "device": "cpu", "parameters": 9,
    }  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made = {f"{model}-{seed}": result(model, seed, mae) for (model, seed), mae in MAE.items()}
    made["mvc-lambda_emo=0.3-1"] = result("mvc", 1, 0.9, weight=0.3)  # above the median's
    for name, one in made.items():
        (folder / name).mkdir()
        (folder / name / "result.json").write_text(json.dumps(one))
    (folder / "unfinished").mkdir()
    return folder


def figure(value, half=0.02):
    return {"value": value, "interval": {"low": value - half, "high": value + half}, "n": 250,
            "clusters": 60}  # fmt: skip


def audited(name, value):
    agreement = {
        "rated_set": "exchanges-1-5", "dimension": "empathy", "value": "empathy", "part": "test",
        "low": 1, "high": 5, "spearman": figure(value), "against": {"length": figure(value - 0.4)},
        "pairs_within_dialogue": figure(value + 0.3), "ceiling": figure(0.81),
        "ceiling_kind": "two raters",
    }  # fmt: skip
    ratings = agreement | {
        "rated_set": "ratings-1-3", "spearman": figure(value + 0.011), "ceiling": None,
        "pairs_within_dialogue": figure(value + 0.222),
        "against_pairs": {"length": figure(value - 0.333)},
    }  # fmt: skip
    trials = [
        {"name": "flattery thrice", "kind": "flattery", "change": figure(value / 10), "unit": "x",
         "rule": "r", "passed": name != "stm", "n": 9},
        {"name": "not made", "kind": "flattery", "change": None, "unit": "x", "rule": "r",
         "passed": None, "n": 0},
    ]  # fmt: skip
    return certificate(scorer=name, agreements=[agreement, ratings], trials=trials) | {
        "question": "q"
    }


@pytest.fixture(scope="module")
def audits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audits")
    for name, value in (("mvc", 0.4321), ("stm", 0.2987), ("baseline", 0.3456)):
        (folder / name).mkdir()
        (folder / name / "audit.json").write_text(json.dumps(audited(name, value)))
    return folder


@pytest.fixture(scope="module")
def data(rated, rated_mirror, teacher, tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "ed"
    with use_data_directory(rated_mirror):
        prepare(out, teachers=[teacher], ratings=rated, variants=2, seed=17,
                conversations_of={"train": 140, "validation": None, "test": None})  # fmt: skip
    return out


SYSTEMS = [
    {"id": 1, "conv_id": "a", "emotion": "sad", "context": ["Oh."], "reference": "one two three",
     "outputs": {"parrot": "one", "poet": "one two three four five"}},
    {"id": 2, "conv_id": None, "context": ["Ah."], "reference": "one",
     "outputs": {"parrot": "one two"}},
]  # fmt: skip


@pytest.fixture(scope="module")
def systems(tmp_path_factory):
    path = tmp_path_factory.mktemp("systems") / "replies.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write("".join(json.dumps(row) + "\n" for row in SYSTEMS))
    return path


def judges(data) -> Mapping[str, object]:
    """Stand for the bundled checkpoints, whose figures can be told without them."""
    own = {(e.context, e.reply) for e in read_examples(data, "test") if e.variant == "human"}

    def knows(dialogues):
        return np.array([1.0 if (d.context, d.reply) in own else 0.0 for d in dialogues])

    def words(dialogues):
        return np.array([float(len(d.reply.split())) for d in dialogues])

    return {"stm": knows, "baseline": lambda d: np.full(len(d), 3.0), "mvc": words}


@pytest.fixture
def small(monkeypatch, data):
    made = judges(data)
    monkeypatch.setattr(module, "Checkpoint", lambda folder: made[folder.name])
    monkeypatch.setattr(module, "rivals", lambda: {"length": made["mvc"]})  # no encoder


@pytest.fixture(scope="module")
def written(runs, data, teacher, rated, rated_mirror, audits, systems, tmp_path_factory):
    """Both documents, by name."""
    out = tmp_path_factory.mktemp("documents")
    with pytest.MonkeyPatch.context() as patch, use_data_directory(rated_mirror):
        made = judges(data)
        patch.setattr(module, "Checkpoint", lambda folder: made[folder.name])
        patch.setattr(module, "rivals", lambda: {"length": made["mvc"]})
        paths = list(write_documents(runs, data, [teacher], rated, audits, systems, out))
    assert sorted(p.name for p in paths) == ["LABELS.md", "RESULTS.md", "TEACHER.md"]
    return {p.name: p.read_text() for p in paths}


@pytest.fixture(scope="module")
def text(written):
    return written["RESULTS.md"]


def section(text, title):
    return text.partition(f"# {title}\n")[2].partition("\n#")[0]


def tables(text):
    """Row's first cell -> its other cells, of every table of a text."""
    found = []
    for line in text.splitlines():
        if not line.startswith("|"):
            found.append({})
        elif not set(line) <= set("|- :"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            found[-1][cells[0]] = cells[1:]
    return [table for table in found if table]


def test_the_models_stand_with_mean_and_spread_over_their_seeds(text):
    human, everything, mechanisms = tables(section(text, "The three models"))
    for table, more in ((human, 0.0), (everything, 0.2)):
        for model in ("baseline", "stm", "mvc"):
            maes = [MAE[model, seed] + more for seed in (1, 2)]
            seeds, n, mae, rho, accuracy, median, authors = table[model]
            assert (seeds, n, median) == ("1, 2", "40", "0.7700")
            sd = abs(maes[0] - maes[1]) / 2**0.5
            assert mae == f"{sum(maes) / 2:.4f} (sd {sd:.4f})"
            assert rho == f"{1 - sum(maes) / 2:.4f} (sd {sd:.4f})"
            assert accuracy == f"{sum(maes) / 4:.4f} (sd {sd / 2:.4f})"
            assert len(authors.split("/")) == 3
    for model in ("baseline", "stm", "mvc"):
        for column, name in enumerate(MECHANISMS):
            values = [measured(MAE[model, seed], 1)[name] for seed in (1, 2)]
            assert mechanisms[model][column].startswith(f"{np.mean(values):.4f} (sd")


def test_the_recipes_are_those_of_the_runs(text):
    found = section(text, "The three models")
    assert found.count("our-encoder") == 3
    recipe = load_recipe("mvc", "minilm-cpu", {})
    assert f"mvc: our-encoder, lora (rank {recipe.lora_rank})" in found
    people = f"{recipe.people_epochs:g} of what people rated"
    before = f"in all layers, {recipe.epochs:g} epochs of 123 examples, then {people} (each reply "
    before += f"{recipe.rated_repeats} times)"
    after = f", then {recipe.topic_epochs:g} of which reply was given where, batch"
    assert f"mvc: our-encoder, lora (rank {recipe.lora_rank}) {before}{after}" in found


def test_a_claim_holds_where_every_seed_says_so(text):
    (claims,) = tables(section(text, "Which of the authors' claims hold"))
    assert claims["MVC has a lower MAE than Baseline"] == ["-0.1000, -0.0800", "2 of 2 seeds",
                                                           "holds"]  # fmt: skip
    # stm less baseline: +0.01 and -0.03
    assert claims["STM has a higher MAE than Baseline"] == ["+0.0100, -0.0300", "1 of 2 seeds",
                                                            "undecided"]  # fmt: skip
    assert claims["MVC has a higher Spearman than Baseline"][-1] == "holds"
    assert len(claims) == 1 + 5  # and the headings


def test_people_stand_seed_by_seed(text):
    people, validation = tables(section(text, "People, seed by seed"))
    for (model, seed), mae in MAE.items():
        expected = [f"{0.2 + mae / 10 + n / 100:.3f}" for n in range(len(RATED_AS))]
        found = people[f"{model}, seed {seed}"]
        of_validation = validation[f"{model}, seed {seed}"]
        assert [float(x) - 0.1 for x in of_validation] == pytest.approx(
            [float(x) for x in found], abs=1.1e-3
        )
        assert [float(x) for x in found] == pytest.approx([float(x) for x in expected], abs=1.1e-3)
    means = [np.mean([0.2 + MAE["mvc", s] / 10 + n / 100 for s in (1, 2)]) for n in range(6)]
    assert [float(c.split()[0]) for c in people["mvc, over seeds"]] == pytest.approx(
        means, abs=1e-4
    )


def test_a_sweep_that_failed_is_called_that(text):
    found = section(text, "Weight of the emotion loss (MVC)")
    lines = [line for line in found.splitlines() if line.startswith("| 0.")]
    assert [line.split("|")[2].strip() for line in lines] == ["1", "1", "2"]
    assert "0.9000" in lines[0]
    assert "With 0.3 (seed 1) the training failed" in found


def test_what_the_audits_say_stands_beside_what_the_teacher_reaches(
    text, teacher, rated, rated_mirror
):
    agreements, pairs = tables(text.partition("## Agreement with people")[2]
                               .partition("### Less")[0])  # fmt: skip
    for name, value in (("mvc", 0.4321), ("stm", 0.2987), ("baseline", 0.3456)):
        assert f"{value:.3f} [{value - 0.02:.3f}, {value + 0.02:.3f}]" in agreements[name]
        assert f"{value + 0.011:.3f} [{value - 0.009:.3f}, {value + 0.031:.3f}]" in agreements[name]
        assert f"{value + 0.222:.3f}" in pairs[name][0]
    with use_data_directory(rated_mirror):
        sets = {s.name: s.only("test") for s in read_rated_sets(rated)}
    reader = TeacherReader.load(teacher)
    headings = agreements["scorer"]
    for number, head in enumerate(HEADS[:3]):
        replies = sets["epitome"].replies
        said = [r.mean(head.dimension) for r in replies]
        expected = spearmanr(reader.latents(teacher_rows(replies))[:, number], said).statistic
        column = next(n for n, h in enumerate(headings) if h.startswith(f"epitome {head.name}"))
        assert f"(n {len(replies)})" in headings[column]
        found = float(agreements["the teacher"][column].split()[0])
        assert found == pytest.approx(expected, abs=6e-3)  # of 0.0005, and ties in half precision


def test_what_is_less_than_a_rival_and_what_raters_reach_are_the_audits(text):
    differences, pairs = tables(section(text, "Less the trivial rivals"))
    assert any("0.032 [0.012, 0.052]" in cell for cell in differences["mvc - length"])
    assert any(f"{0.4321 - 0.333:.3f} [" in cell for cell in pairs["mvc - length"])
    assert any(cell.startswith("-0.101 [") for cell in differences["stm - length"])
    (ceilings,) = tables(section(text, "What raters reach among themselves"))
    assert ceilings["exchanges-1-5"] == ["0.810 [0.790, 0.830]", "two raters"]
    assert ceilings["ratings-1-3"][0] == "-"


def test_trials_are_kept_or_broken(text):
    (trials,) = tables(section(text, "What a reply can do to its score"))
    kept = dict(zip(trials["trial"], trials["flattery thrice"], strict=True))
    assert kept["mvc"] == "0.043 [0.023, 0.063] kept"
    assert kept["stm"] == "0.030 [0.010, 0.050] broken"
    assert set(trials["not made"]) == {"-"}


def test_systems_are_compared_on_the_turns_that_they_answered(text):
    found = section(text, "Published systems on ED test turns")
    assert "Mean score on 2 turns" in found
    (table,) = tables(found)
    columns = table["system"]
    human, parrot, poet = (dict(zip(columns, table[n], strict=True))
                           for n in ("human", "parrot", "poet"))  # fmt: skip
    assert (human["turns"], parrot["turns"], poet["turns"]) == ("2", "2", "1")
    assert human["mvc"].startswith("2.000 [1.000, 3.000]")
    assert parrot["mvc"].startswith("1.500")
    assert parrot["mvc: human less it"].startswith("0.500 [-1.000, 2.000]")
    assert poet["mvc: human less it"].startswith("-2.000")
    assert poet["length"].startswith("5.000")
    assert list(table) == ["system", "poet", "human", "parrot"]  # by mvc, the highest first


def test_a_judge_that_knows_its_conversations_beats_every_strangers_reply(text, data):
    found = section(text, "A reply against another conversation's")
    (table,) = tables(found)
    assert table["stm"] == ["1.000 [1.000, 1.000]"]
    assert table["baseline"] == ["0.500 [0.500, 0.500]"]
    humans = [e for e in read_examples(data, "test") if e.variant == "human"]
    assert f"{len(humans)} turns" in found
    assert table["mvc"] == table["length"]


def test_the_labels_document_tells_what_the_teacher_is_and_how_it_agrees(
    written, teacher, rated, rated_mirror
):
    labels = written["TEACHER.md"]
    made = json.loads((teacher / "result.json").read_text())
    heads, sums = tables(labels)[:2]
    for head in HEADS[:-1]:
        own = made["validation"][head.name]
        assert heads[head.name] == [head.rated_set, f"{head.low}-{head.high}", str(own["n"]),
                             f"{own['spearman']:.3f}"]  # fmt: skip
    with use_data_directory(rated_mirror):
        overall = Labeller([teacher], rated).overall
    assert f'the sum "{overall.chosen}"' in labels
    assert f"slope {overall.slope:.3f}" in labels
    assert ", ".join(f"{t:.2f}" for t in overall.thresholds) in labels
    assert overall.chosen in sums
    assert len(sums) == 9  # and the names of the columns
    for name in set(sums) - {"sum"}:
        own = overall.agreement[name]
        by_set = dict(zip(sums["sum"], sums[name], strict=True))
        assert by_set == {rated_set: f"{value:.3f}" for rated_set, value in own.items()}


def test_the_labels_document_counts_the_labels(written, data, rated, rated_mirror):
    labels = written["LABELS.md"]
    (table,) = [t for t in tables(labels) if "training replies" in t]
    kinds = {}
    for example in read_examples(data, "train"):
        kinds.setdefault(example.variant, []).append(example)
    assert set(table) == {"training replies", *kinds}
    for kind, examples in kinds.items():
        assert table[kind][0] == str(len(examples))
        empathy = [e.empathy for e in examples if e.empathy is not None]
        shown = [f"{f(empathy):.2f}" for f in (np.mean, np.std)] if empathy else ["-", "-"]
        assert table[kind][1:3] == shown
        known = [e.mechanisms for e in examples if e.mechanisms is not None]
        means = [f"{level:.2f}" for level in np.mean(known, axis=0)] if known else ["-"] * 3
        assert table[kind][-3:] == means
    with use_data_directory(rated_mirror):
        sets = {s.name: s for s in read_rated_sets(rated)}
    for level, value in link(sets["ratings-1-3"], sets["exchanges-1-5"]).items():
        assert f"{level} is {value:.2f}" in labels
    (parts,) = [t for t in tables(labels) if "condolence" in t and "rated set" in t]
    for name, one in sets.items():
        sizes = [sum(r.part == p for r in one.replies) for p in ("train", "validation", "test")]
        assert parts[name][:3] == list(map(str, sizes))
    assert parts["ratings-1-3"][-1] == "none stated"


def test_the_command_writes_both_and_says_where(
    cli, small, runs, data, teacher, rated, rated_mirror, audits, written
):
    outcome = cli("train", "results", "--runs", runs, "--data", data, "--teacher", teacher,
                  "--ratings", rated, "--audits", audits, "--out", "docs",
                  "--data-dir", rated_mirror)  # fmt: skip
    assert outcome.code == 0, outcome.err
    names = ("LABELS", "TEACHER", "RESULTS")
    assert outcome.out.splitlines() == [f"docs/{name}.md" for name in names]


def test_what_is_missing_is_named(
    small, runs, data, teacher, rated, rated_mirror, audits, tmp_path
):
    def write(**changes):
        given = {"runs": runs, "audits": audits, "systems": None}
        with use_data_directory(rated_mirror):
            list(write_documents(data=data, teachers=[teacher], ratings=rated, out=tmp_path / "o",
                                 **(given | changes)))  # fmt: skip

    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no finished training run"):
        write(runs=tmp_path / "empty")
    with pytest.raises(UsageError, match="holds no finished audit"):
        write(audits=tmp_path / "empty")
    (tmp_path / "bad.jsonl").write_text("{")
    with pytest.raises(DataError, match=r"bad\.jsonl cannot be read"):
        write(systems=tmp_path / "bad.jsonl")
    for lacking, row in (("context", {"id": 1, "reference": "a", "outputs": {}}),
                         ("id", {k: v for k, v in SYSTEMS[0].items() if k != "id"})):  # fmt: skip
        (tmp_path / "row.jsonl").write_text(json.dumps(row))
        with pytest.raises(DataError, match=rf"row\.jsonl, line 1: the row has no {lacking}"):
            write(systems=tmp_path / "row.jsonl")
    write()
    assert "no file of their replies was given" in (tmp_path / "o" / "RESULTS.md").read_text()
