"""The four variants: one run's answers, four meanings of ``alignment``, a sheet for each."""

from __future__ import annotations

import pytest
from support.tiny_heads import make_base, make_heads

import empeval
from empeval import UsageError, cluster_mean
from empeval_heads.variants import eq_label, variants

NAMES = ["base", "emotion head", "strategy head", "both heads"]


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    root = tmp_path_factory.mktemp("heads")
    return make_heads(root / "heads", make_base(root / "base"))


@pytest.fixture(scope="module")
def run(heads, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return empeval.run("human:", ["ed-mini"], ["surface", f"eq:{heads}"], limit=6, out=out)


@pytest.fixture
def parts(run):
    scores = run.scores("ed-mini", eq_label(run, "ed-mini"))
    clusters = {line.id: line.item.cluster for line in run.responses("ed-mini")}
    return [score.values for score in scores], [clusters[score.id] for score in scores]


def test_the_variants_are_the_formula_with_each_signal(run, parts):
    rows, clusters = parts
    signals = {
        "base": lambda v: 0.0,
        "emotion head": lambda v: v["emotion_alignment"],
        "strategy head": lambda v: v["strategy_alignment"],
        "both heads": lambda v: (v["emotion_alignment"] + v["strategy_alignment"]) / 2,
    }
    found = variants(run, "ed-mini")
    assert [v.name for v in found] == NAMES
    base = [row["empathy_mass"] for row in rows]
    for variant in found:
        own = [row["empathy_mass"] + 0.3 * signals[variant.name](row) for row in rows]
        assert variant.n == len(rows)
        assert variant.eq == pytest.approx(cluster_mean(own, clusters))
        paired = [a - b for a, b in zip(own, base, strict=True)]
        assert variant.less_base == pytest.approx(cluster_mean(paired, clusters))


def test_the_spreadsheet_has_a_summary_and_a_sheet_a_variant(run, parts, tmp_path):
    from openpyxl import load_workbook

    (path,) = empeval.export(run, tmp_path / "results.xlsx")
    book = load_workbook(path)
    assert book.sheetnames == ["summary", "about", "ed-mini", "variants", *NAMES]
    header, *body = book["variants"].iter_rows(values_only=True)
    table = {row[0]: dict(zip(header, row, strict=True)) for row in body}
    for variant in variants(run, "ed-mini"):
        assert table[variant.name]["eq"] == pytest.approx(variant.eq[0])
        header, *rows = book[variant.name].iter_rows(values_only=True)
        values = [dict(zip(header, row, strict=True)) for row in rows]
        assert len(values) == variant.n
        mean = sum(row["eq"] for row in values) / len(values)
        assert mean == pytest.approx(variant.eq[0])
        for row in values:
            assert row["eq"] == pytest.approx(row["empathy_mass"] + 0.3 * row["alignment"])


def test_a_run_without_eq_scores_says_how_to_add_them(tmp_path):
    run = empeval.run("human:", ["ed-mini"], ["surface"], limit=1, out=tmp_path / "run")
    with pytest.raises(UsageError, match=r"empeval score .* --scorers eq"):
        variants(run, "ed-mini")
    (path,) = empeval.export(run, tmp_path / "results.xlsx")
    assert path.is_file()


def test_the_verb_prints_the_table_and_writes_the_spreadsheet(cli, heads, tmp_path):
    words = ("eq-variants", "--model", "human:", "--task", "ed-mini", "--heads", str(heads))
    outcome = cli(*words, "--limit", "2", "--out", "run", "--xlsx", "results.xlsx")
    assert outcome.code == 0, outcome.err
    for name in NAMES:
        assert name in outcome.out
    assert f"run folder: {tmp_path / 'run'}" in outcome.out
    assert (tmp_path / "results.xlsx").is_file()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--heads", "nowhere/at/all"), "neither a folder nor a model id"),
        (("--task", "ed-mimi"), "Unknown task 'ed-mimi'"),
        (("--limit", "0"), "--limit is 0"),
        (("--model", "gpt2"), "has no scheme"),
    ],
)
def test_mistakes_are_answered_before_any_work(cli, heads, tmp_path, more, message):
    words = ["eq-variants", "--model", "human:", "--task", "ed-mini", "--heads", str(heads)]
    outcome = cli(*words, "--out", "run", *more)
    assert outcome.code == 2
    assert message in outcome.err
    assert not (tmp_path / "run").exists()
