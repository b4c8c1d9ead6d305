"""Files of many programs: the same answers come out of each, and its failures with them."""

from __future__ import annotations

import json
import random

import pytest
from support.logs import (
    LAYOUTS,
    batch_row,
    chat_body,
    inspect_samples,
    lines,
    lm_eval_rows,
    promptfoo_rows,
)

import empeval
from empeval import DataError, Sampling, UsageError
from empeval.answers import Fields, read_answers
from empeval.generators.replay import Replay
from empeval.testing import FakeTask

ITEMS = list(FakeTask(count=9).items())
ANSWERS = {item.id: f"Answer {item.id}, with a comma;\n\tmore lines and ü." for item in ITEMS}


def shuffled():
    """Pairs in another order than the items': an index is no id."""
    pairs = [(item, ANSWERS[item.id]) for item in ITEMS]
    random.Random(3).shuffle(pairs)
    return pairs


def answered(path, items=ITEMS, **arguments):
    replay = Replay(str(path), **arguments)
    warnings = replay.prepare({"fake": items})
    return {r.id: r for r in replay.generate(items, Sampling())}, warnings


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_answers(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(LAYOUTS[name](shuffled()))
    responses, warnings = answered(path)
    assert {i: r.response for i, r in responses.items()} == ANSWERS
    assert {r.status for r in responses.values()} == {"ok"}
    assert warnings == []


def test_a_run_folders_responses_keep_their_status_and_what_was_thought(tmp_path):
    rows = [{"id": "mini-26#2", "response": "<think>Hm.</think>Oh no."},
            {"id": "mini-26#4", "response": None}]  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    first = empeval.run(f"replay:{tmp_path}/a.jsonl", ["ed-mini"], ["surface"], out=tmp_path / "1")
    again = f"replay:{first.responses_path('ed-mini')}"
    second = empeval.run(again, ["ed-mini"], ["surface"], out=tmp_path / "2")
    for task in ("ed-mini",):
        assert second.responses(task) == first.responses(task)
    line = next(line for line in second.responses("ed-mini") if line.id == "mini-26#2")
    assert (line.response, line.reasoning) == ("Oh no.", "Hm.")


def test_counts_and_thoughts_of_an_inspect_log_are_kept(tmp_path):
    (tmp_path / "i.json").write_bytes(LAYOUTS["inspect.json"](shuffled()))
    (answer, *_) = read_answers(tmp_path / "i.json").answers
    assert (answer.prompt_tokens, answer.completion_tokens, answer.seconds) == (7, 3, 0.5)
    assert (answer.reasoning, answer.stop, answer.source) == ("hm", "stop", "hf/m")


FAILURES = {
    "null": (chat_body(None), "error", "holds no text"),
    "filter": (chat_body("half", "content_filter"), "error", "content filter"),
    "length": (chat_body("half", "length"), "truncated", None),
    "refusal": (chat_body(None, refusal="I can't."), "ok", None),
    "choices": ({"choices": []}, "error", "holds no text"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_request_of_a_batch_is_its_items_status(case, tmp_path):
    body, status, note = FAILURES[case]
    rows = [batch_row("1", body), *(batch_row(i.id, chat_body("Oh no.")) for i in ITEMS[1:])]
    (tmp_path / "b.jsonl").write_bytes(lines(rows))
    responses, warnings = answered(tmp_path / "b.jsonl")
    assert responses["1"].status == status
    assert note is None or note in responses["1"].note
    assert [responses[i.id].status for i in ITEMS[1:]] == ["ok"] * 8
    assert warnings == []


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ({"custom_id": "1", "response": None, "error": {"code": "batch_expired"}}, "batch_expired"),
        (batch_row("1", {"error": {"message": "Too many."}}, 429), "status 429: Too many."),
        (batch_row("1", {}, 500), "status 500: the request has no response"),
    ],
)
def test_a_request_that_the_server_refused_says_why(row, note, tmp_path):
    (tmp_path / "b.jsonl").write_bytes(lines([row, batch_row("2", chat_body("Oh no."))]))
    responses, _ = answered(tmp_path / "b.jsonl", ITEMS[:2])
    assert (responses["1"].status, responses["1"].note) == ("error", note)
    assert responses["2"].response == "Oh no."


def test_what_is_to_be_sent_is_not_taken_for_what_came_back(tmp_path, cli):
    cli("items", "ed-mini", "--format", "openai-batch", "--model", "m", "-o", "in.jsonl")
    outcome = cli("run", "--model", "replay:in.jsonl", "--tasks", "ed-mini")
    assert outcome.code == 2
    assert "in.jsonl, line 1: this is batch input" in outcome.err


def test_a_sample_that_failed_in_inspect_is_its_items_status(tmp_path):
    samples = inspect_samples(shuffled())
    failed = {"message": "ValueError('no')", "traceback": "..."}
    samples[0] |= {"error": failed, "output": {"model": "m", "choices": [], "completion": ""}}
    samples[0]["messages"] = samples[0]["messages"][:2]
    (tmp_path / "i.json").write_text(json.dumps({"eval": {}, "samples": samples}))
    responses, _ = answered(tmp_path / "i.json")
    failures = [r for r in responses.values() if r.status == "error"]
    assert [r.note for r in failures] == ["Inspect: ValueError('no')"]
    assert responses[shuffled()[0][0].id].status == "error"


def test_an_inspect_log_without_samples_says_what_it_lacks(tmp_path):
    (tmp_path / "i.json").write_text('{"version": 2, "status": "error", "eval": {"model": "m"}}')
    with pytest.raises(DataError, match="an Inspect log without samples"):
        Replay(str(tmp_path / "i.json"))


def test_only_the_first_of_several_epochs_is_read_and_that_is_said(tmp_path):
    samples = inspect_samples(shuffled())
    again = [{**s, "epoch": 2, "output": {}} for s in samples]
    (tmp_path / "i.json").write_text(json.dumps({"eval": {}, "samples": again + samples}))
    responses, warnings = answered(tmp_path / "i.json")
    assert {i: r.response for i, r in responses.items()} == ANSWERS
    assert warnings == [
        f"{tmp_path}/i.json answers questions more than once on purpose; the first answer to each "
        "of 9 is read, 9 others are not."
    ]


def test_a_sample_whose_first_epoch_is_not_there_is_read_in_its_second(tmp_path):
    samples = inspect_samples(shuffled())
    samples[4]["epoch"] = 2
    (tmp_path / "i.json").write_text(json.dumps({"eval": {}, "samples": samples}))
    responses, warnings = answered(tmp_path / "i.json")
    assert {i: r.response for i, r in responses.items()} == ANSWERS
    assert warnings == []


def test_repeats_and_filters_of_lm_eval_are_no_further_answers(tmp_path):
    rows = lm_eval_rows(shuffled())
    for row in rows:
        row["resps"] = [[*row["resps"][0], "a second draw"]]
    filtered = [{**row, "filter": "flexible-extract"} for row in rows]
    (tmp_path / "s.jsonl").write_bytes(lines([x for p in zip(rows, filtered) for x in p]))  # noqa: B905
    responses, warnings = answered(tmp_path / "s.jsonl")
    assert {i: r.response for i, r in responses.items()} == ANSWERS
    assert len(warnings) == 1
    assert "9 others are not" in warnings[0]


def test_log_likelihoods_are_no_answers(tmp_path):
    row = {**lm_eval_rows(shuffled())[0], "resps": [[["-1.5", "False"]], [["-2.5", "True"]]]}
    (tmp_path / "s.jsonl").write_bytes(lines([row]))
    with pytest.raises(DataError, match=r"line 1: its 'resps' hold no generated text"):
        Replay(str(tmp_path / "s.jsonl"))


def test_of_two_models_in_a_file_one_is_to_be_picked(tmp_path):
    other = [(item, "Hm.") for item, _ in shuffled()]
    rows = [*promptfoo_rows(other, {"id": "openai:other"}), *promptfoo_rows(shuffled())]
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines(rows))
    with pytest.raises(DataError, match=r"answers of 2 models.*openai:other, openai:m.*--pick"):
        Replay(str(path))
    responses, warnings = answered(path, pick="openai:m")
    assert {i: r.response for i, r in responses.items()} == ANSWERS
    assert warnings == []
    with pytest.raises(UsageError, match=r"no answers of 'openai:n'\. Did you mean 'openai:m'"):
        Replay(str(path), pick="openai:n")


def test_of_two_prompts_for_a_test_one_is_to_be_picked(tmp_path):
    rows = promptfoo_rows(shuffled())
    other = [{**row, "promptIdx": 1, "response": {"output": "Hm."}} for row in rows]
    for row in other:
        row["prompt"] = {"raw": row["prompt"]["raw"].replace("day", "the day")}
    path = tmp_path / "p.jsonl"
    path.write_bytes(lines([*rows, *other]))
    with pytest.raises(DataError, match="openai:m, prompt 0, openai:m, prompt 1"):
        Replay(str(path))
    responses, _ = answered(path, pick="openai:m, prompt 0")
    assert {i: r.response for i, r in responses.items()} == ANSWERS


def test_the_same_prompt_to_two_models_of_llm_is_in_doubt(tmp_path):
    rows = json.loads(LAYOUTS["llm.json"](shuffled()))
    rows.append({**rows[0], "id": "09", "model": "other", "conversation_id": "d"})
    (tmp_path / "l.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match="answers of 2 models or runs to the same questions"):
        Replay(str(tmp_path / "l.json"))


def test_models_that_answered_different_questions_need_no_choice(tmp_path):
    rows = [{"id": i.id, "response": "Oh.", "model": f"m{n % 2}"} for n, i in enumerate(ITEMS)]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    _, warnings = answered(tmp_path / "a.jsonl")
    assert warnings == [f"{tmp_path}/a.jsonl holds answers of 2 models: m0, m1."]


def test_an_error_of_promptfoo_is_its_items_status(tmp_path):
    rows = promptfoo_rows(shuffled())
    rows[0] = {**rows[0], "error": "API error: 500", "response": {}}
    rows[1]["response"]["output"] = {"a": 1}
    (tmp_path / "p.jsonl").write_bytes(lines(rows))
    responses, _ = answered(tmp_path / "p.jsonl")
    first, second = (responses[item.id] for item, _ in shuffled()[:2])
    assert (first.status, first.note) == ("error", "promptfoo: API error: 500")
    assert (second.status, second.response) == ("ok", '{"a": 1}')


def test_a_variable_called_id_names_the_item_in_promptfoo(tmp_path):
    rows = promptfoo_rows(shuffled())
    for row, (item, _) in zip(rows, shuffled(), strict=True):
        row["vars"], row["prompt"] = {"id": item.id}, {"raw": "{{question}}"}
    (tmp_path / "p.jsonl").write_bytes(lines(rows))
    responses, _ = answered(tmp_path / "p.jsonl")
    assert {i: r.response for i, r in responses.items()} == ANSWERS


SCORES = {"Calm": "1", "Jealous": "8", "Amused": "0", "Weary": "5"}
TEXT = "Calm: 1\nJealous: 8\nAmused: 0\nWeary: 5"


def eq_bench(questions, texts=None):
    held = {"respondent_answers": questions, "raw_inference": texts or {}, "individual_scores": {}}
    return {"run_metadata": {"run_id": "r"}, "iterations": {"1": held}}


def test_eq_benchs_scores_become_text_again_and_its_text_goes_before_them(tmp_path):
    questions = {
        "1": {"first_pass_answers": SCORES, "revised_answers": {}},
        "2": {"first_pass_answers": SCORES, "revised_answers": SCORES},
        "3": {"first_pass_answers": {}, "revised_answers": {}},
        "4": {"first_pass_answers": SCORES, "revised_answers": {}},
    }
    run = eq_bench(questions, {"4": "my own words"})
    (tmp_path / "raw_results.json").write_text(json.dumps({"run1--v2--m": run}))
    responses, _ = answered(tmp_path / "raw_results.json", ITEMS[:5])
    assert [responses[i].response for i in "124"] == [
        TEXT, f"First pass scores:\n{TEXT}\n\nRevised scores:\n{TEXT}", "my own words",
    ]  # fmt: skip
    assert [(responses[i].status, responses[i].note) for i in "35"] == [
        ("error", "EQ-Bench's results hold no answer to it"),
        ("missing", "no answer in raw_results.json"),
    ]


def test_a_model_of_eq_benchs_repository_is_read_and_of_two_runs_one_is_picked(tmp_path):
    questions = {i.id: {"first_pass_answers": SCORES} for i in ITEMS}
    model = {"model_path": "org/m", "raw_results": {"1": eq_bench(questions)["iterations"]["1"]}}
    (tmp_path / "m.json").write_text(json.dumps(model))
    responses, _ = answered(tmp_path / "m.json")
    assert {r.response for r in responses.values()} == {TEXT}
    both = {"a": eq_bench(questions), "b": eq_bench(questions, {"1": "hm"})}
    (tmp_path / "raw.json").write_text(json.dumps(both))
    with pytest.raises(DataError, match=r"2 models or runs .*: a, b\. Say which with --pick"):
        Replay(str(tmp_path / "raw.json"))
    assert answered(tmp_path / "raw.json", pick="b")[0]["1"].response == "hm"


def test_fields_of_other_names_are_read_where_one_alone_may_be_meant(tmp_path):
    rows = [{"qid": i, "output": text} for i, text in ANSWERS.items()]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    responses, warnings = answered(tmp_path / "a.jsonl")
    assert {i: r.response for i, r in responses.items()} == ANSWERS
    assert warnings == [
        f"{tmp_path}/a.jsonl: the field 'qid' is read as the id.",
        f"{tmp_path}/a.jsonl: the field 'output' is read as the response.",
    ]


def test_two_fields_that_may_be_the_response_are_asked_about(tmp_path):
    rows = [{"id": i, "output": text, "answer": "gold"} for i, text in ANSWERS.items()]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    with pytest.raises(DataError, match=r"line 1: 'output' and 'answer' may each hold the resp"):
        Replay(str(tmp_path / "a.jsonl"))
    responses, _ = answered(tmp_path / "a.jsonl", map="response=output")
    assert {i: r.response for i, r in responses.items()} == ANSWERS


def test_what_a_map_does_not_say_is_still_found(tmp_path):
    rows = [{"id": i, "question": "?", "input": "!", "output": t} for i, t in ANSWERS.items()]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    with pytest.raises(DataError, match="'question' and 'input' may each hold the prompt"):
        Replay(str(tmp_path / "a.jsonl"))
    responses, _ = answered(tmp_path / "a.jsonl", map="prompt=")
    assert {i: r.response for i, r in responses.items()} == ANSWERS


def test_a_map_reaches_into_objects_and_lists_and_adds_to_ids(tmp_path):
    rows = [{"n": int(i) - 1, "out": {"texts": ["x", text]}, "a.b": 1} for i, text in
            ANSWERS.items()]  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps({"data": {"rows": rows}}))
    arguments = {"map": "rows=data.rows, id=n+1, response=out.texts.1"}
    responses, warnings = answered(tmp_path / "a.json", **arguments)
    assert {i: r.response for i, r in responses.items()} == ANSWERS
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("ident=a", UsageError, "there is no field 'ident'. Did you mean 'id'"),
        ("id", UsageError, "'id' needs '='"),
        ("id=a,id=b", UsageError, "'id' comes twice"),
        ("response=none.1", DataError, r"--map response=none.1: no row .* The first have a, id"),
        ("rows=a", DataError, "--map rows=a names no list"),
        ("id=a+1", DataError, r"line 1: --map: \+1 cannot be added to the id 'x'"),
    ],
)
def test_a_map_that_fits_nothing_is_refused_with_what_is_there(text, error, reason, tmp_path):
    (tmp_path / "a.jsonl").write_bytes(lines([{"id": "1", "response": "r", "a": "x"}]))
    with pytest.raises(error, match=reason):
        read_answers(tmp_path / "a.jsonl", Fields.parsed(text))


def test_a_line_of_another_format_among_others_is_named(tmp_path):
    rows = [*lm_eval_rows(shuffled()), {"id": "1", "response": "x"}]
    (tmp_path / "a.jsonl").write_bytes(lines(rows))
    with pytest.raises(DataError, match="line 10: the file is lm-eval samples, but this is none"):
        read_answers(tmp_path / "a.jsonl")
