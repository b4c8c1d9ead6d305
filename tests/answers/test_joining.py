"""Which item an answer belongs to: by the question's text, by an own id, never by an index."""

from __future__ import annotations

import json

import pytest
from support.logs import asked, lines, lm_eval_rows

from empeval import DataError, Message, Sampling
from empeval.answers.wording import Wordings
from empeval.generators.replay import Replay
from empeval.testing import FakeTask, fake_item

ITEMS = list(FakeTask(count=6).items())


def replay(path, rows, questions, **arguments):
    """id -> response of the first task, and the warnings, which begin without the path."""
    path.write_bytes(lines(rows))
    model = Replay(str(path), **arguments)
    warnings = [w.removeprefix(f"{path}: ") for w in model.prepare(questions)]
    items = next(iter(questions.values()))
    responses = [*model.generate(items, Sampling())]
    return {r.id: r.response for r in responses if r.status == "ok"}, warnings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jsonl"


def talk(name, *texts):
    turns = tuple(Message("assistant" if n % 2 else "user", t) for n, t in enumerate(texts))
    return fake_item(name, messages=(Message("system", "Be a friend."), *turns))


TEMPLATES = {
    "chatml": {
        **{r: f"<|im_start|>{r}\n{{}}<|im_end|>\n" for r in ("system", "user", "assistant")},
        "end": "<|im_start|>assistant\n",
    },
    "llama": {
        **{
            role: f"<|start_header_id|>{role}<|end_header_id|>\n\n{{}}<|eot_id|>"
            for role in ("system", "user", "assistant")
        },
        "end": "<|start_header_id|>assistant<|end_header_id|>\n\n",
    },
    "mistral": {"system": "{}\n", "user": "[INST] {} [/INST]", "assistant": "{}</s>", "end": ""},
    "plain": {"system": "", "user": "User: {}\n", "assistant": "You: {}\n", "end": "You:"},
}

TALKS = [
    talk("a#2", "I lost my keys."),
    talk("a#4", "I lost my keys.", "Oh no. Where?", "In the park, I think."),
    talk("b#2", "In the park, I think."),
    talk("c#2", "Hi there!"),
    talk("d#2", "Hi there!"),
]


def test_text_goes_before_an_id_that_is_another_items(path):
    rows = [{"id": str(n), "prompt": i.messages[0].content, "response": f"to {i.id}"}
            for n, i in enumerate(ITEMS)]  # fmt: skip
    got, warnings = replay(path, rows, {"fake": ITEMS})
    assert got == {i.id: f"to {i.id}" for i in ITEMS}
    assert warnings == ["5 ids stand beside another item's question, which counts: 1, 2, 3, 4, 5."]


def test_ids_that_count_from_0_stop_the_run_where_no_text_can_tell(path):
    rows = [{"id": n, "response": "x"} for n in range(6)]
    with pytest.raises(DataError, match=r"counts its ids from 0.*--map id=id\+1"):
        replay(path, rows, {"fake": ITEMS})
    got, warnings = replay(path, rows, {"fake": ITEMS}, map="id=id+1")
    assert list(got) == [i.id for i in ITEMS]
    assert warnings == []


def test_ids_from_0_are_fine_where_the_items_have_a_0(path):
    items = [fake_item(str(n)) for n in range(3)]
    got, warnings = replay(path, [{"id": n, "response": "x"} for n in range(3)], {"fake": items})
    assert (list(got), warnings) == (["0", "1", "2"], [])


def test_an_index_is_no_id_even_where_items_are_called_so(path):
    items = [fake_item(str(n), f"Something else happened to me on day {n}.") for n in range(6)]
    with pytest.raises(DataError, match=r"lm-eval samples\) answers none.*begins 'This is what"):
        replay(path, lm_eval_rows([(i, "x") for i in ITEMS]), {"fake": items})


def test_a_log_that_does_not_repeat_the_questions_is_not_joined_by_indices(path):
    rows = [{"doc_id": n, "resps": [["x"]]} for n in range(6)]
    with pytest.raises(DataError, match="It does not repeat the questions"):
        replay(path, rows, {"fake": ITEMS})


def test_the_task_that_the_answers_name_is_named_when_it_is_not_asked(path):
    rows = [{"id": i.id, "task": "fkae", "response": "x"} for i in ITEMS]
    with pytest.raises(DataError, match=r"are to 'fkae', and what is asked is fake\. Did you mean"):
        replay(path, rows, {"fake": ITEMS})
    got, _ = replay(path, rows, {"fake": ITEMS}, map="task=")
    assert list(got) == [i.id for i in ITEMS]


def test_another_wording_is_joined_by_an_own_id_and_counted(path):
    rows = [{"id": i.id, "prompt": "Translated!", "response": "x"} for i in ITEMS[:2]]
    got, warnings = replay(path, rows, {"fake": ITEMS[:2]})
    assert list(got) == ["1", "2"]
    assert warnings == [
        "2 ids are joined by id alone, for the question beside the answer is worded otherwise "
        "than the one asked: 1, 2."
    ]


def test_an_answer_with_an_id_needs_no_readable_question_beside_it(path):
    rows = [{"id": i.id, "context": ["a", "b"], "response": "x"} for i in ITEMS]
    got, warnings = replay(path, rows, {"fake": ITEMS})
    assert list(got) == [i.id for i in ITEMS]
    assert warnings == [
        "the questions beside 6 of 6 answers are not used, for they cannot be read (line 1: "
        "'context' has 2 turns; it must end with the speaker, so their number is odd.)"
    ]


def test_answers_to_no_item_are_named_by_an_own_id_or_their_line(path):
    rows = [*lm_eval_rows([(i, "x") for i in ITEMS])]
    _, warnings = replay(path, rows, {"fake": ITEMS[:5]})
    assert warnings == ["1 id belongs to no item that was asked: line 6."]


def test_the_longest_dialogue_that_ends_last_is_the_one_asked():
    wordings = Wordings(TALKS)
    for item in TALKS[:3]:
        assert wordings.find(item.messages) == [item.id]
        for name, template in TEMPLATES.items():
            text = "".join(template[m.role].format(m.content) for m in item.messages)
            asked = Message("user", text + template["end"])
            assert wordings.find([asked]) == [item.id], name


@pytest.mark.parametrize("name", ["chatml", "llama"])
def test_the_beginning_of_a_dialogue_is_not_what_was_asked(name):
    first = talk("a#2", "I lost my keys in the park and it is cold.")
    longer = talk("a#4", first.messages[1].content, "Oh no. Where?", "On a bench, I think.")
    template, wordings = TEMPLATES[name], Wordings([first])
    assert wordings.find(longer.messages) == []
    text = "".join(template[m.role].format(m.content) for m in longer.messages)
    assert wordings.find([Message("user", text + template["end"])]) == []


def test_examples_before_the_question_are_not_the_question():
    items = [*ITEMS]
    shots = "\n\n".join(f"Q: {i.messages[0].content}\nA: I see." for i in items[1:])
    prompt = f"{shots}\n\nQ: {items[0].messages[0].content}\nA:"
    assert Wordings(items).find([Message("user", prompt)]) == ["1"]
    turns = []
    for item in items[1:]:
        turns += [*item.messages, Message("assistant", "I see.")]
    assert Wordings(items).find([*turns, *items[0].messages]) == ["1"]


def test_a_short_question_after_a_long_example_is_the_one_asked():
    long, short = talk("l#2", "I lost my keys in the park " * 5), talk("s#2", "I am so sad today.")
    prompt = f"User: {long.messages[1].content}\nYou: Oh no.\n\nUser: I am so sad today.\nYou:"
    assert Wordings([long, short]).find([Message("user", prompt)]) == ["s#2"]


def test_few_words_among_many_are_no_question():
    wordings = Wordings([talk("c#2", "Hi there!")])
    assert wordings.find([Message("user", "Hi there! Could you tell me the way to town?")]) == []
    assert wordings.find([Message("user", "<|user|>Hi there!<|end|>")]) == ["c#2"]


def test_questions_of_the_same_wording_get_their_answers_in_order_or_by_id(path):
    texts = [{"messages": asked(i), "response": f"to {i.id}"} for i in TALKS[3:]]
    got, warnings = replay(path, texts, {"fake": TALKS[3:]})
    assert got == {"c#2": "to c#2", "d#2": "to d#2"}
    assert warnings == [
        "2 ids have a question that another item asks in the same words; such answers are taken "
        "in the order of the file: c#2, d#2."
    ]
    named = [{"id": i.id, **row} for i, row in zip(TALKS[3:], texts, strict=True)]
    got, _ = replay(path, named[::-1], {"fake": TALKS[3:]})
    assert got == {"c#2": "to c#2", "d#2": "to d#2"}


def test_marks_tell_questions_of_the_same_words_apart():
    wordings = Wordings([talk("a#2", "it was fine, was it?"), talk("b#2", "it was fine. Was it")])
    lower = Wordings([talk("a#2", "it was fine, you see"), talk("b#2", "it was fine. you see")])
    assert wordings.find([Message("user", "it was fine. Was it")]) == ["b#2"]
    assert lower.find([Message("user", "<|user|>it was fine. you see</s>")]) == ["b#2"]


def test_one_answer_serves_the_same_question_of_two_tasks(path):
    other = [fake_item("x", ITEMS[0].messages[0].content, task="other")]
    rows = lm_eval_rows([(i, f"to {i.id}") for i in ITEMS])
    path.write_bytes(lines(rows))
    model = Replay(str(path))
    assert model.prepare({"fake": ITEMS, "other": other}) == []
    assert [r.response for r in model.generate(other, Sampling())] == ["to 1"]


def test_space_and_marks_make_no_other_question(path):
    text = ITEMS[0].messages[0].content
    for other in (f"\n{text}  ", text.replace(" ", "\n"), f"**{text}**", f"{text}</s>"):
        assert Wordings(ITEMS).find([Message("user", other)]) == ["1"], other
    assert Wordings(ITEMS).find([Message("user", text.replace("1", "11"))]) == []


def test_how_the_answers_were_joined_is_kept_in_the_run(path):
    path.write_bytes(lines(lm_eval_rows([(i, "x") for i in ITEMS])))
    model = Replay(str(path))
    model.prepare({"fake": ITEMS})
    assert model.runtime() == {"read as": "lm-eval samples", "joined by text": 6}
    json.dumps(model.runtime())
