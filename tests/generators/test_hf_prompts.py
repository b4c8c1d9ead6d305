"""How an ``hf:`` model is asked: its chat template, a given one, or the plain format."""

from __future__ import annotations

import hashlib

import pytest
from support.asking import ask, items, texts
from support.tiny_models import BOS, EOS, byte_tokenizer, make_random_model, make_scripted_model

from empeval import Sampling, UsageError
from empeval.generators.hf import HuggingFace

CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}{{ m.role }}: {{ m.content }};{% endfor %}"
)
DROPS_SYSTEM = (
    "{% for m in messages %}{% if m.role != 'system' %}{{ m.role }}: {{ m.content }};{% endif %}"
    "{% endfor %}"
)
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ m.content }};{% endfor %}"
)
TALK = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye")]


@pytest.fixture
def build(tmp_path):
    """A function that gives a generator on a random model with these tokenizer options."""

    def built(choice="auto", **tokenizer):
        make_random_model(tmp_path / "model", tokenizer=byte_tokenizer(**tokenizer))
        return HuggingFace(str(tmp_path / "model"), device="cpu", chat_template=choice)

    return built


def prompt(generator, conversation):
    return generator.preview(items([conversation])[0], Sampling()).text


def fingerprint(template):
    return f"chat template sha256:{hashlib.sha256(template.encode()).hexdigest()[:16]}"


@pytest.mark.parametrize("choice", ["auto", "model"])
def test_the_chat_template_of_the_model_is_applied(build, choice):
    generator = build(choice, chat_template=CHAT)
    assert prompt(generator, TALK) == (
        "<s>[system] Be kind.\n[user] Hi\n[assistant] Hello\n[user] Bye\n[assistant]"
    )
    assert generator.card.details["prompt_format"] == fingerprint(CHAT)


def test_a_template_in_a_file_goes_before_the_model_s_own(build, tmp_path):
    path = tmp_path / "template.jinja"
    path.write_text("{% for m in messages %}<{{ m.content }}>{% endfor %}→")
    generator = build(str(path), chat_template=CHAT)
    assert prompt(generator, "Hi") == "<Hi>→"
    assert generator.card.details["prompt_format"] == fingerprint(path.read_text())


def test_the_default_is_taken_where_a_model_has_several_templates(build):
    generator = build(chat_template={"tool_use": "nothing", "default": CHAT})
    assert generator.card.details["prompt_format"] == fingerprint(CHAT)


def test_one_of_several_templates_is_picked_by_its_name(build):
    generator = build("rag", chat_template={"tool_use": "nothing", "default": "no", "rag": CHAT})
    assert generator.card.details["prompt_format"] == fingerprint(CHAT)
    assert generator.prepare({"t": items(["Hi"])}) == []


def test_several_templates_without_a_default_give_the_plain_format_and_a_warning(build):
    generator = build(chat_template={"tool_use": "nothing", "rag": CHAT})
    (warning,) = generator.prepare({"t": items(["Hi"])})
    assert "several chat templates (rag, tool_use)" in warning
    assert "chat_template=rag" in warning
    assert generator.card.details["prompt_format"] == "plain-1"


def test_a_name_that_no_template_has_is_refused_with_those_there_are(build):
    with pytest.raises(UsageError, match="takes auto, model, plain, rag, tool_use or the path"):
        build("tool", chat_template={"tool_use": "no", "rag": CHAT}).prepare({"t": items(["Hi"])})


@pytest.mark.parametrize(("choice", "warned"), [("auto", True), ("plain", False)])
def test_the_plain_format_is_a_warning_unless_it_was_asked_for(build, choice, warned):
    warnings = build(choice, chat_template=None).prepare({"t": items(["Hi"])})
    assert [w.startswith("The model has no chat template") for w in warnings] == [True] * warned


@pytest.mark.parametrize(("choice", "template"), [("auto", None), ("plain", CHAT)])
def test_a_model_without_a_template_or_told_so_gets_the_plain_format(build, choice, template):
    generator = build(choice, chat_template=template)
    assert prompt(generator, "Mia's day:") == "Mia's day:"
    assert prompt(generator, TALK) == (
        "Be kind.\n\nUser: Hi\nAssistant: Hello\nUser: Bye\nAssistant:"
    )
    assert prompt(generator, TALK[1:]) == "User: Hi\nAssistant: Hello\nUser: Bye\nAssistant:"
    assert generator.card.details["prompt_format"] == "plain-1"


def scripted(folder, script, choice="auto", **tokenizer):
    make_scripted_model(folder, script, **tokenizer)
    return HuggingFace(str(folder), device="cpu", chat_template=choice)


def test_a_plain_conversation_ends_where_the_user_would_speak_again(tmp_path):
    generator = scripted(tmp_path, {":": [" Bye", " now.", "\nUser", ": more"], "?": ["!"]})
    (answer,) = ask(generator, [TALK])
    assert (answer.response, answer.stop) == ("Bye now.", "\nUser:")


def test_a_plain_continuation_is_kept_to_the_letter(tmp_path):
    generator = scripted(tmp_path, {"y": [" was", "\nUser:", " fine. "]})
    assert texts(generator, ["Mia's day"]) == [" was\nUser: fine. "]


def test_a_chat_answer_loses_the_space_around_it(tmp_path):
    generator = scripted(tmp_path, {"]": ["\n ", "fine", ". \n"]}, chat_template=CHAT)
    assert texts(generator, ["Hi"]) == ["fine."]


@pytest.mark.parametrize("template", [NO_SYSTEM, DROPS_SYSTEM])
def test_a_system_message_that_the_template_refuses_goes_to_the_user(build, template):
    generator = build(chat_template=template)
    assert prompt(generator, TALK) == "user: Be kind.\n\nHi;assistant: Hello;user: Bye;"
    assert prompt(generator, [("system", "Be kind.")]) == "user: Be kind.;"
    opening = [("system", "Be kind."), ("assistant", "Hello")]
    assert prompt(generator, opening) == "user: Be kind.;assistant: Hello;"
    assert generator.card.details["system_message"] == "put before the first user message"


def test_a_template_that_takes_system_messages_gets_them(build):
    assert "system_message" not in build(chat_template=CHAT).card.details


def test_a_template_that_is_asked_for_and_missing_is_an_error(build):
    with pytest.raises(UsageError, match=r"^The model has no chat template"):
        build("model", chat_template=None).prepare({"t": items(["Hi"])})


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages %}", "Unexpected end of template"),
        ("{{ nothing.there }}", "'nothing' is undefined"),
        ("{{ raise_exception('never works') }}", "never works"),
        ("always the same", "leaves the user's message out"),
        ("{{ messages[0].content.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_a_template_that_does_not_work_is_an_error(build, template, reason):
    with pytest.raises(UsageError, match=f"^The chat template does not work: .*{reason}"):
        build(chat_template=template).prepare({"t": items(["Hi"])})


def test_a_conversation_that_the_template_refuses_is_named_before_the_run(build):
    generator = build(chat_template=ALTERNATES)
    fine, refused = items(["Hi", [("user", "Hi"), ("user", "Ho")]])
    with pytest.raises(UsageError, match=r"Item '1': .*roles must alternate.*chat_template=plain"):
        generator.prepare({"t": [fine, refused]})


@pytest.mark.parametrize("choice", ["chatml", "missing.jinja", "."])
def test_a_choice_that_is_no_file_is_an_error_that_names_the_choices(build, choice):
    with pytest.raises(UsageError, match="takes auto, model, plain or the path of a Jinja file"):
        build(choice).prepare({"t": items(["Hi"])})


def test_a_template_file_that_is_no_text_is_an_error(build, tmp_path):
    path = tmp_path / "template.jinja"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        build(str(path)).prepare({"t": items(["Hi"])})


def add_special_tokens(tokenizer, form):
    from tokenizers.processors import TemplateProcessing

    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single=form, special_tokens=[(BOS, 0), (EOS, 1)]
    )
    return tokenizer


def test_the_token_that_begins_a_text_is_there_once(tmp_path):
    tokenizer = add_special_tokens(byte_tokenizer(chat_template=CHAT), f"{BOS} $A")
    make_random_model(tmp_path, tokenizer=tokenizer)
    for choice, expected in [("auto", "<s>[user] Hi\n[assistant]"), ("plain", "Hi")]:
        generator = HuggingFace(str(tmp_path), device="cpu", chat_template=choice)
        seen = generator.preview(items(["Hi"])[0], Sampling())
        assert seen.text == expected
        assert seen.tokens == len(expected.removeprefix(BOS)) + 1


def test_a_plain_prompt_does_not_end_with_the_end_of_the_text(tmp_path):
    tokenizer = add_special_tokens(byte_tokenizer(), f"{BOS} $A {EOS}")
    make_scripted_model(tmp_path, {"i": ["fine"]})
    tokenizer.add_tokens(["fine"])
    tokenizer.save_pretrained(tmp_path)
    generator = HuggingFace(str(tmp_path), device="cpu")
    assert generator.preview(items(["Hi"])[0], Sampling()).tokens == 3
    assert texts(generator, ["Hi"]) == ["fine"]


DATED = (
    "\n  {% macro line() %}on {{ strftime_now('%d %B %Y') }}{% endmacro %}\n"
    "{% if strftime_now is defined %}{% set day = strftime_now('%A, %b %-d; %H:%M') %}{% endif %}\n"
    "{{ day }} {{ line() }} {{ messages[-1].content }}"
)


def test_a_template_that_writes_the_date_writes_the_same_one_every_day(build):
    generator = build(chat_template=DATED)
    assert prompt(generator, "Hi") == "\nFriday, Jul 26; 00:00 on 26 July 2024 Hi"
    assert generator.card.details["prompt_format"] == fingerprint(DATED)
    assert generator.card.details["template_date"] == "2024-07-26"
    assert "template_date" not in build(chat_template=CHAT).card.details


THINKS = CHAT.replace("[assistant]{% endif %}", "[assistant]<think>\n{% endif %}")


def test_reasoning_that_the_template_has_opened_is_given_back_with_its_tag(tmp_path):
    script = {"\n": ["well", "</think>", "\n\n", "Yes."]}
    generator = scripted(tmp_path, script, chat_template=THINKS)
    assert texts(generator, ["Hi"]) == ["<think>\nwell</think>\n\nYes."]
    (cut,) = ask(generator, ["Hi"], max_tokens=1)
    assert (cut.response, cut.status) == ("<think>\nwell", "truncated")


def test_reasoning_that_the_model_opens_is_left_as_it_is(tmp_path):
    script = {"]": ["<think>", "well", "</think>", "Yes."]}
    generator = scripted(tmp_path, script, chat_template=CHAT)
    assert texts(generator, ["Hi"]) == ["<think>well</think>Yes."]
