"""The report in a real browser: search, filter, sort, keyboard, and a script in a reply."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import time
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest
from support.made_runs import make_run, normal

from empeval.auditing.page import write_page
from empeval.certificates import Certificate
from empeval.report import build_report

BROWSER = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")

EVIL = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
EMOTIONS = ("sad", "proud", "angry")

PROBE = """
<pre id="probe"></pre>
<script>
(async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const el = (id) => document.getElementById(id);
  const cards = () => [...document.querySelectorAll("article h3")].map((h) => h.textContent);
  const set = async (id, value) => {
    el(id).value = value;
    el(id).dispatchEvent(new Event(id === "search" ? "input" : "change", { bubbles: true }));
    await wait(250);
  };
  const key = (name) => new KeyboardEvent("keydown", { key: name, bubbles: true });
  const press = (name) => document.dispatchEvent(key(name));
  const out = {};
  await wait(100);
  out.first = cards()[0];
  out.shown = cards().length;
  out.count = el("count").textContent;
  await set("search", "needle HAYSTACK");
  out.search = [el("count").textContent, cards()];
  await set("search", "");
  await set("emotion", "proud");
  out.emotion = el("count").textContent;
  await set("emotion", "");
  await set("status", "warmth: unparsed");
  out.status = el("count").textContent;
  await set("status", "");
  await set("sort", "high B");
  out.highest = cards()[0];
  await set("sort", "up B");
  out.gain = cards()[0];
  await set("sort", "");
  out.asked = cards().slice(0, 2);
  press("j"); press("j"); press("k");
  out.current = document.querySelector("article.current h3").textContent;
  press("/");
  out.focused = document.activeElement.id;
  document.activeElement.dispatchEvent(key("Escape"));
  out.left = document.activeElement.id;
  for (let n = 0; n < 40; n++) press("j");
  out.after = document.querySelectorAll("article").length;
  await set("search", "onerror");
  out.evil = document.querySelector(".side .text").textContent;
  out.images = document.querySelectorAll("img").length;
  out.hacked = typeof window.hacked;
  const before = getComputedStyle(document.body).backgroundColor;
  el("theme").click();
  out.theme = [before, getComputedStyle(document.body).backgroundColor];
  out.wide = document.documentElement.scrollWidth <= innerWidth + 1;
  el("probe").textContent = JSON.stringify(out);
})();
</script>
"""


def browse(path, *options, seconds=120):
    plain = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000")
    command = [BROWSER, *plain, *options, "--dump-dom", path.as_uri()]
    environment = {**os.environ, "HOME": str(path.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, env=environment)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser")
    count = 120
    targets = [{"emotion": EMOTIONS[n % 3]} for n in range(count)]
    base = normal(count, 1)
    after = [v + 0.001 * n for n, v in enumerate(base)]
    after[70] = base[70] - 9
    after[71] = base[71] + 9
    answers = [f"Reply {n}." for n in range(count)]
    answers[33] = "Here is a Needle in a haystack."
    answers[50] = EVIL
    broken = [None if n in (5, 6, 7) else v for n, v in enumerate(after)]
    a = make_run(root / "a", base, targets=targets, answers=answers)
    b = make_run(root / "b", broken, targets=targets, answers=answers)
    report = root / "report.html"
    build_report([a, b], report, resamples=200)
    text = report.read_text(encoding="utf-8")
    probed = root / "probed.html"
    probed.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    return probed


def test_answers_are_searched_filtered_sorted_and_walked_through(page):
    found = browse(page, "--window-size=1300,900")
    assert found["first"].startswith("talks · 70"), "the largest fall first"
    assert found["shown"] < 120, "only what may be seen is made"
    assert found["count"] == "120 of 120 items"
    assert found["search"][0] == "1 of 120 items"
    assert found["search"][1][0].startswith("talks · 33")
    assert found["emotion"] == "40 of 120 items"
    assert found["status"] == "3 of 120 items"
    assert found["highest"].startswith("talks · 71")
    assert found["gain"].startswith("talks · 71")
    assert [text.split()[2] for text in found["asked"]] == ["0", "1"]
    assert found["current"].startswith("talks · 0")
    assert found["focused"] == "search"
    assert found["left"] != "search"
    assert found["after"] > 40, "walking on makes more"


def test_a_script_in_a_reply_is_text(page):
    found = browse(page)
    assert found["evil"] == EVIL
    assert found["images"] == 0
    assert found["hacked"] == "undefined"


def test_dark_and_light_are_a_button_apart_and_a_phone_needs_no_sideways_scrolling(page):
    found = browse(page, "--window-size=500,900")
    assert found["theme"][0] != found["theme"][1]
    assert found["wide"]


AXE = os.environ.get("EMPEVAL_AXE", "")
"""Where the file ``axe.min.js`` of the npm package axe-core lies."""
LOOK = """
<pre id="probe"></pre>
<script>
axe.run(document).then((found) => {
  const root = document.documentElement;
  document.getElementById("probe").textContent = JSON.stringify({
    violations: found.violations.map((v) => [v.id, v.nodes.map((n) => n.html).slice(0, 3)]),
    checked: found.passes.length,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    wide: root.scrollWidth <= innerWidth + 1,
  });
});
</script>
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A report of two runs and of eleven, and an audit that ships, as files with axe in them."""
    root = tmp_path_factory.mktemp("axe")
    targets = [{"emotion": EMOTIONS[n % 3]} for n in range(60)]
    runs = [
        make_run(
            root / f"run-{n}",
            [None if i < n else v - n / 9 for i, v in enumerate(normal(60, 1))],
            targets=targets,
        )
        for n in range(11)
    ]
    build_report(runs[:2], root / "two.html", resamples=200)
    build_report(runs, root / "eleven.html", resamples=200)
    shipped = files("empeval_empathy") / "certificates" / "mvc.json"
    write_page([msgspec.json.decode(shipped.read_bytes(), type=Certificate)], root / "audit.html")
    axe = Path(AXE).read_text(encoding="utf-8")
    for path in root.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        if "script-src" not in text:  # the audit's page has no script
            text = text.replace("style-src", "script-src 'unsafe-inline'; style-src", 1)
        path.write_text(text.replace("</body>", f"<script>{axe}</script>{LOOK}</body>"))
    return root


@pytest.mark.slow
@pytest.mark.skipif(not AXE, reason="EMPEVAL_AXE does not say where axe.min.js lies")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1300, 500])
@pytest.mark.parametrize("name", ["two", "eleven", "audit"])
def test_axe_finds_no_violation_and_nothing_is_wider_than_the_page(pages, name, width, dark):
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    found = browse(pages / f"{name}.html", f"--window-size={width},900", scheme, seconds=600)
    assert found["dark"] == dark
    assert found["checked"] > 10
    assert found["violations"] == []
    assert found["wide"]


def test_ten_thousand_answers_are_ready_and_searched_in_seconds(tmp_path):
    count = 10_000
    answers = [f"Reply {n} with some words to read." for n in range(count)]
    answers[33] = "Here is a Needle in a haystack."
    run = make_run(tmp_path / "many", normal(count, 1), answers=answers)
    report = tmp_path / "report.html"
    build_report([run], report)
    probe = """
    <pre id="probe"></pre><script>
    const ready = performance.now();
    const box = document.getElementById("search");
    box.value = "needle haystack";
    box.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => {
      document.getElementById("probe").textContent = JSON.stringify({
        ready, made: document.querySelectorAll("article").length,
        count: document.getElementById("count").textContent });
    }, 3000);
    </script>"""
    page = tmp_path / "probed.html"
    page.write_text(report.read_text().replace("</body>", probe + "</body>"))
    started = time.perf_counter()
    found = browse(page)
    assert found["count"] == "1 of 10000 items"
    assert found["made"] == 1
    assert time.perf_counter() - started < 30, "the whole browser, started and ended"
