"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = 30;
  const el = (id) => document.getElementById(id);
  const list = el("list");
  let shown = [];
  let drawn = 0;
  let current = -1;

  // Everything that a model, a person or a scorer wrote goes through textContent.
  const make = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = text;
    if (className) node.className = className;
    return node;
  };
  const option = (select, value, text) => {
    const node = make("option", text === undefined ? value : text);
    node.value = value;
    select.append(node);
  };
  const letters = data.runs.map((run) => run.letter);
  const unique = (values) => [...new Set(values)].filter((v) => v).sort();

  for (const task of unique(data.samples.map((s) => s.task))) option(el("task"), task);
  for (const emotion of unique(data.samples.map((s) => s.emotion))) option(el("emotion"), emotion);
  const statuses = new Set();
  const measures = new Set();
  for (const sample of data.samples) {
    for (const answer of Object.values(sample.answers)) {
      statuses.add(answer.status);
      for (const [label, score] of Object.entries(answer.scores)) {
        if (score.s) statuses.add(`${label}: ${score.s}`);
        for (const value of Object.keys(score.v)) measures.add(`${label}.${value}`);
      }
    }
  }
  for (const status of unique([...statuses])) option(el("status"), status);
  for (const measure of unique([...measures])) option(el("scorer"), measure);
  const main = data.main.find((measure) => measures.has(measure));
  if (main) el("scorer").value = main;
  option(el("sort"), "", "as asked");
  if (letters.length > 1) {
    for (const letter of letters.slice(1)) {
      option(el("sort"), `down ${letter}`, `largest fall from A to ${letter}`);
      option(el("sort"), `up ${letter}`, `largest gain from A to ${letter}`);
    }
  }
  for (const letter of letters) {
    option(el("sort"), `low ${letter}`, `${letter}, lowest first`);
    option(el("sort"), `high ${letter}`, `${letter}, highest first`);
  }
  if (letters.length > 1) el("sort").value = `down ${letters[1]}`;

  const haystack = (sample) => {
    if (sample.hay === undefined) {
      const texts = sample.turns.map((turn) => turn[1]);
      texts.push(sample.id, sample.reference || "");
      for (const answer of Object.values(sample.answers)) texts.push(answer.text);
      sample.hay = texts.join("\n").toLowerCase();
    }
    return sample.hay;
  };
  const has = (sample, status) => Object.values(sample.answers).some((answer) =>
    answer.status === status ||
    Object.entries(answer.scores).some(([label, s]) => s.s && `${label}: ${s.s}` === status));
  const value = (sample, letter) => {
    const answer = sample.answers[letter];
    const measure = el("scorer").value;
    if (!answer || !measure) return NaN;
    for (const [label, score] of Object.entries(answer.scores)) {
      if (measure.startsWith(`${label}.`)) {
        const found = score.v[measure.slice(label.length + 1)];
        if (found !== undefined) return found;
      }
    }
    return NaN;
  };
  const rank = (sample) => {
    const [kind, letter] = el("sort").value.split(" ");
    if (kind === "low") return value(sample, letter);
    if (kind === "high") return -value(sample, letter);
    const change = value(sample, letter) - value(sample, "A");
    return kind === "down" ? change : -change;
  };

  function choose() {
    const words = el("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const task = el("task").value, emotion = el("emotion").value, status = el("status").value;
    shown = data.samples.filter((s) =>
      (!task || s.task === task) && (!emotion || s.emotion === emotion) &&
      (!status || has(s, status)) && words.every((word) => haystack(s).includes(word)));
    if (el("sort").value) {
      const keyed = shown.map((s, index) => [rank(s), index, s]);
      keyed.sort((a, b) => (Number.isNaN(a[0]) - Number.isNaN(b[0])) || (a[0] - b[0]) || (a[1] - b[1]));
      shown = keyed.map((k) => k[2]);
    }
    el("count").textContent = `${shown.length} of ${data.samples.length} items`;
    list.replaceChildren();
    drawn = 0;
    current = -1;
    more();
  }

  function more() {
    const old = el("more");
    if (old) old.remove();
    const part = document.createDocumentFragment();
    for (const sample of shown.slice(drawn, drawn + page)) part.append(card(sample));
    list.append(part);
    drawn = Math.min(drawn + page, shown.length);
    if (drawn < shown.length) {
      const button = make("button", `Show more (${shown.length - drawn} left)`);
      button.id = "more";
      button.type = "button";
      button.addEventListener("click", more);
      list.append(button);
      if (watch) watch.observe(button);
    }
  }
  const watch = "IntersectionObserver" in window
    ? new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) more(); }, { rootMargin: "600px" })
    : null;

  function card(sample) {
    const article = make("article");
    article.tabIndex = -1;
    const title = make("h3", `${sample.task} · ${sample.id}`);
    if (sample.emotion) title.append(make("small", ` ${sample.emotion}`));
    const change = letters.length > 1 ? value(sample, letters[1]) - value(sample, "A") : NaN;
    if (!Number.isNaN(change)) title.append(make("small", ` ${el("scorer").value} ${change > 0 ? "+" : ""}${change.toFixed(3)}`));
    article.append(title);
    const turns = make("div", null, "turns");
    const rest = sample.turns.filter((turn) => turn[0] !== "system");
    const early = rest.slice(0, -3);
    if (early.length) {
      const details = make("details");
      details.append(make("summary", `${early.length} earlier turns`));
      for (const turn of early) details.append(line(turn));
      turns.append(details);
    }
    for (const turn of rest.slice(-3)) turns.append(line(turn));
    article.append(turns);
    const sides = make("div", null, "sides");
    letters.forEach((letter, number) => {
      if (sample.answers[letter]) sides.append(side(letter, number, sample.answers[letter]));
    });
    if (sample.reference) {
      const human = make("div", null, "side");
      human.append(make("strong", "human"), make("p", sample.reference, "text"));
      sides.append(human);
    }
    article.append(sides);
    return article;
  }
  const long = 700;
  function line(turn) {
    const p = make("p");
    p.append(make("span", turn[0], "role"));
    if (turn[1].length <= long) {
      p.append(document.createTextNode(turn[1]));
      return p;
    }
    const details = make("details");
    details.append(make("summary", `${turn[0]}: ${turn[1].slice(0, 160)} ...`), make("p", turn[1]));
    return details;
  }
  function side(letter, number, answer) {
    const box = make("div", null, "side");
    box.append(make("span", letter, `key key-${number + 1}`));
    if (answer.status !== "ok") box.append(make("span", ` ${answer.status}`, "status"));
    box.append(make("p", answer.text || "(no text)", "text"));
    const details = make("details");
    details.append(make("summary", "what the scorers say"));
    const table = make("table");
    for (const [label, score] of Object.entries(answer.scores)) {
      for (const [name, number] of Object.entries(score.v)) {
        const row = make("tr");
        const full = `${label}.${name}`;
        if (full === el("scorer").value) row.className = "chosen";
        row.append(make("td", full), make("td", String(number)));
        table.append(row);
      }
      for (const [name, text] of Object.entries(score.l || {})) {
        const row = make("tr");
        row.append(make("td", `${label}.${name}`), make("td", text));
        table.append(row);
      }
      if (score.s || score.n) {
        const row = make("tr");
        row.append(make("td", label), make("td", [score.s, score.n].filter(Boolean).join(": "), "status"));
        table.append(row);
      }
    }
    details.append(table);
    box.append(details);
    return box;
  }

  function go(step) {
    const cards = list.getElementsByTagName("article");
    if (!cards.length) return;
    if (current >= 0 && cards[current]) cards[current].classList.remove("current");
    current = Math.max(0, Math.min(current + step, shown.length - 1));
    while (current >= drawn && drawn < shown.length) more();
    const card = cards[current];
    card.classList.add("current");
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "start" });
  }
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
    if (event.key === "Escape" && typing) { document.activeElement.blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); el("search").focus(); }
    if (event.key === "j") go(1);
    if (event.key === "k") go(-1);
  });
  let wait = 0;
  el("search").addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(choose, 120); });
  for (const id of ["task", "emotion", "status", "scorer", "sort"]) el(id).addEventListener("change", choose);
  el("controls").addEventListener("submit", (event) => event.preventDefault());
  el("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  choose();
})();
