"""The report: one file that needs nothing, in which what a model wrote is text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from support.made_runs import make_run, normal

from empeval import RunFolderError, StorageError, UsageError
from empeval.report import build_report, collect

EVIL = (
    "<script>window.hacked = 1</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!-- <script> -->",
    "a & b &lt;b&gt; \u2028 $x^2$ {{ 7*7 }}",
    "javascript:alert(1)",
    "\x00 and \ud83d",
)
TARGETS = [{"emotion": ("sad", "proud", "angry")[n % 3]} for n in range(60)]


class Page(HTMLParser):
    """What a browser would see: elements, attributes, the text of scripts."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts, self.text = [], [], [], []
        self.inside = None
        self.source = text
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag in ("script", "style"):
            self.inside = tag
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.inside = None

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1] += data
        else:
            self.text.append(data)

    @property
    def data(self):
        return json.loads(next(s for s in self.scripts if s.startswith("{")))


@pytest.fixture
def run(tmp_path):
    def make(name, shift=0.0, **options):
        values = [v + shift for v in normal(60, 1)]
        return make_run(tmp_path / name, values, targets=TARGETS, **options)

    return make


@pytest.fixture
def report(tmp_path):
    def build(*runs, **options):
        out = tmp_path / "report.html"
        build_report(list(runs), out, resamples=300, **options)
        return Page(out.read_text(encoding="utf-8"))

    return build


def test_what_others_wrote_is_text_and_never_markup(run, report):
    texts = [EVIL[n % len(EVIL)].encode("utf-8", "replace").decode() for n in range(60)]
    page = report(run("a", answers=texts, model="made:<b onclick=x>evil</b>"))
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert "b" not in page.tags
    assert not [a for a in page.attributes if a[1].startswith("on")]
    found = {s["answers"]["A"]["text"] for s in page.data["samples"]}
    assert found == set(texts)
    assert any("made:<b onclick=x>evil</b>" in text for text in page.text)


def test_nothing_is_loaded_from_elsewhere(run, report):
    page = report(run("a"), run("b", 1.0))
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "action", "data") and value:
            assert value.startswith("#"), (tag, name, value)
    styles = " ".join(page.scripts)
    assert "@import" not in styles
    assert not re.search(r"url\((?!#)", styles)
    assert "fetch(" not in styles
    policy = [v for t, n, v in page.attributes if n == "content" and "default-src" in (v or "")]
    assert policy
    assert "default-src 'none'" in policy[0]


def test_the_summary_has_verdicts_metrics_and_licences(run, report):
    page = report(run("a"), run("b", 1.0), margins=0.5)
    text = " ".join(" ".join(page.text).split())
    assert "B is better on talks warmth: " in text
    assert "points, of 60 items that both runs have a value of" in text
    assert "That it is more than the margin is shown." in text
    assert "60 items of 60 clusters (none)" in text
    assert page.tags.count("svg") >= 3
    bars = page.attributes.count(("svg", "class", "bar"))
    assert bars == 1
    assert page.tags.count("figure") == page.tags.count("svg") - bars


def test_answers_stand_side_by_side_with_the_human_reply_and_every_opinion(run, report):
    page = report(run("a"), run("b", 1.0))
    (sample,) = [s for s in page.data["samples"] if s["id"] == "7"]
    assert set(sample["answers"]) == {"A", "B"}
    assert sample["reference"] == "What a person said to 7."
    assert sample["emotion"] == "proud"
    assert sample["turns"] == [["user", "Question 7?"]]
    values = [a["scores"]["warmth"]["v"]["warmth"] for a in sample["answers"].values()]
    assert values[1] - values[0] == pytest.approx(1, abs=1e-3)
    assert page.data["main"] == ["warmth.warmth"]


def shown(page):
    return " ".join(" ".join(page.text).split())


def test_the_verdict_stands_first_with_the_metrics_in_a_sentence(run, report):
    text = shown(report(run("a"), run("b", -0.8), margins=0.15))
    mean = sum(normal(60, 1)) / 60
    said = (f"B is worse on talks warmth: {mean:.3f} to {mean - 0.8:.3f}, -0.800 "
            "(-0.800 to -0.800), margin 0.150")  # fmt: skip
    assert said in text
    order = [text.index(t) for t in (said, "Where it fell most", "finished folder")]
    assert order == sorted(order)


@pytest.mark.parametrize("up", [True, False])
def test_the_largest_falls_are_shown_with_both_answers(tmp_path, report, up):
    before, after = normal(60, 1), normal(60, 2)
    runs = [
        make_run(tmp_path / name, values, higher_is_better=up,
                 answers=[f"{name} says {n}" for n in range(60)])
        for name, values in (("old", before), ("new", after))
    ]  # fmt: skip
    text = shown(report(*runs))
    sign = 1 if up else -1
    lost = sorted(range(60), key=lambda n: sign * (after[n] - before[n]))[:3]
    found_at = [text.index(f"talks {n}: warmth.warmth {before[n]:.3f} to {after[n]:.3f}")
              for n in lost]  # fmt: skip
    assert found_at == sorted(found_at)
    for n in lost:
        assert f"old says {n}" in text
        assert f"new says {n}" in text
    assert text.count(": warmth.warmth ") == 3


def test_a_candidate_that_lost_nothing_has_no_falls(run, report):
    assert "Where it fell most" not in shown(report(run("a"), run("b", 1.0)))


def test_runs_of_one_model_are_told_apart_by_what_differs(tmp_path, report):
    from msgspec.structs import replace

    runs = [make_run(tmp_path / str(n), normal(20, 1)) for n in range(3)]
    for one, temperature in zip(runs, (0.0, 1.2, 1.2), strict=True):
        tasks = {name: replace(task, sampling=replace(task.sampling, temperature=temperature))
                 for name, task in one.manifest.tasks.items()}  # fmt: skip
        one.write_manifest(replace(one.manifest, tasks=tasks))
    names = [one["name"] for one in report(*runs).data["runs"]]
    assert names == [f"made:model (temperature {t}, {n})" for n, t in enumerate((0, 1.2, 1.2))]
    alone = [one["name"] for one in report(*runs[:2]).data["runs"]]
    assert alone == ["made:model (temperature 0)", "made:model (temperature 1.2)"]


def test_three_runs_are_a_leaderboard(run, report):
    page = report(run("a"), run("b", 1.0, model="made:best"), run("c", -1.0, model="made:last"))
    text = shown(page).partition("What came out")[2]
    assert text.index("made:best") < text.index("A made:model") < text.index("made:last")
    assert "Runs that share a letter could not be told apart" in text
    assert "2.000*" in text  # the best less the last
    assert "Where it fell most" not in text


def test_other_metrics_are_folded_by_scorer(tmp_path, report, run):
    from empeval.runs import Run

    one = run("a")
    metrics = one.metrics()
    from msgspec.structs import replace

    one.write_metrics([*metrics, replace(metrics[0], metric="depth", higher_is_better=None)])
    page = report(Run(one.path))
    assert "warmth: 1 more metric" in shown(page)
    assert page.tags.count("details") == 1


@pytest.mark.parametrize("runs", [1, 2])
def test_where_no_metric_has_a_direction_that_is_said_and_no_table_is_empty(report, run, runs):
    from empeval.runs import Run

    made = [
        run(name, shift, higher_is_better=None) for name, shift in (("a", 0.0), ("b", 1.0))[:runs]
    ]
    page = report(*(Run(one.path) for one in made))
    said = "No metric here says whether higher or lower is better"
    assert shown(page).count(said) == (1, 2)[runs - 1]
    assert "warmth: 1 more metric" in shown(page)
    assert not re.search(r"<tbody>\s*</tbody>", page.source)


def test_failures_are_shown_and_plotted(run, report, tmp_path):
    values = [None if n < 9 else 1.0 * n for n in range(60)]
    broken = make_run(tmp_path / "broken", values, targets=TARGETS)
    page = report(broken, figures=tmp_path / "figures")
    assert (tmp_path / "figures" / "talks-failures.svg").is_file()
    failed = [s for s in page.data["samples"] if s["answers"]["A"]["scores"]["warmth"].get("s")]
    assert len(failed) == 9


def test_figures_are_written_as_svg_and_png_and_are_the_same_every_time(run, report, tmp_path):
    runs = [run("a"), make_run(tmp_path / "b", normal(60, 2), targets=TARGETS)]
    report(*runs, figures=tmp_path / "one")
    report(*runs, figures=tmp_path / "two")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(names) == len({n.rpartition(".")[0] for n in names}) * 2 >= 6
    for name in names:
        data = (tmp_path / "one" / name).read_bytes()
        assert data == (tmp_path / "two" / name).read_bytes(), name
        assert data.startswith(b"\x89PNG" if name.endswith(".png") else b"<svg")


def test_a_run_alone_and_one_without_variance_have_a_report(run, report, tmp_path):
    page = report(run("a"))
    assert "Comparison" not in " ".join(page.text)
    constant = make_run(tmp_path / "constant", [1.0] * 20)
    assert report(constant).data["samples"]


def test_ten_thousand_answers_are_in_the_file_and_not_in_the_page(tmp_path, report):
    many = make_run(
        tmp_path / "many", normal(10_000, 1), answers=["A reply of some words."] * 10_000
    )
    page = report(many)
    assert len(page.data["samples"]) == 10_000
    assert page.tags.count("article") == 0, "they are made as they are scrolled to"


def test_of_more_answers_than_a_page_holds_some_are_shown_evenly_and_that_is_said(
    run, report, monkeypatch
):
    monkeypatch.setattr(collect, "MOST_ITEMS", 20)
    page = report(run("base"), run("candidate", -1.0))
    assert [sample["id"] for sample in page.data["samples"]] == [str(3 * n) for n in range(20)]
    assert "This page holds 20 of 60 items, at even distances" in " ".join(page.text)
    monkeypatch.setattr(collect, "MOST_ITEMS", 60)
    page = report(run("whole"))
    assert len(page.data["samples"]) == 60
    assert "This page holds" not in " ".join(page.text)


def test_mistakes_are_refused(run, tmp_path):
    a = run("a")
    with pytest.raises(UsageError, match="takes 1 to 26 runs"):
        build_report([a] * 27, tmp_path / "x.html")
    unfinished = run("unfinished", status="running")
    with pytest.raises(RunFolderError, match="is unfinished"):
        build_report([unfinished], tmp_path / "x.html")
    other = run("other", version="2")
    with pytest.raises(UsageError, match="cannot be compared"):
        build_report([a, other], tmp_path / "x.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        build_report([a], tmp_path / "file" / "x.html")


def test_the_verb_writes_the_file(cli, run, tmp_path):
    outcome = cli("report", str(run("a").path), str(run("b", 1.0).path), "-o", "out/report.html",
                  "--resamples", "300", "--figures", "out/figures")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0] == "out/report.html"
    assert (tmp_path / "out" / "report.html").stat().st_size > 20_000
    assert cli("report", "nowhere", "-o", "x.html").code == 2


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The contrast ratio of two colours (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
def test_text_has_the_contrast_of_wcag_aa_in_light_and_dark(theme):
    from importlib.resources import files

    css = (files("empeval.report") / "assets" / "report.css").read_text()
    block = css[css.index(theme) :]
    block = block[: block.index("}")]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    text = ["ink", "faint", "link", "good", "bad", "unsure", *(f"run-{n}" for n in range(1, 9))]
    for ground in ("paper", "panel"):
        for name in text:
            ratio = contrast(colours[name], colours[ground])
            assert ratio >= 4.5, f"{name} on {ground} in {theme}: {ratio:.2f}"
