"""Dialogues as rows of tokens: what is kept, what is cut, and what the note says of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from empeval_empathy.views import MIN_CONTEXT, Dialogue, Row, ViewBuilder


class Words:
    """A tokenizer to which every word is a token; of those above 1000 it has never heard."""

    cls_token_id, sep_token_id, pad_token_id, unk_token_id = 1, 2, 0, 3
    bos_token_id = eos_token_id = None
    model_input_names = ("input_ids", "attention_mask", "token_type_ids")

    def __call__(self, texts, **_):
        return {"input_ids": [[self.number(w) for w in text.split()] for text in texts]}

    def number(self, word):
        return int(word) + 10 if int(word) < 1000 else self.unk_token_id


def words(first, count):
    return " ".join(str(n % 1000) for n in range(first, first + count))


def view(builder, context, reply):
    (made,) = builder.build([Dialogue(tuple(context), reply)])
    return made


dialogues = st.tuples(
    st.lists(st.integers(1, 90), min_size=1, max_size=5).map(
        lambda counts: [words(100 * turn, count) for turn, count in enumerate(counts)]
    ),
    st.integers(0, 150).map(lambda count: words(700, count)),
    st.integers(8, 300),
)


@given(dialogues)
def test_no_view_is_longer_than_the_limit(dialogue):
    context, reply, limit = dialogue
    made = view(ViewBuilder(Words(), limit), context, reply)
    for row in (made.context, made.full):
        assert 2 <= len(row.ids) <= limit
        assert row.ids[0] == Words.cls_token_id
        assert row.ids[-1] == Words.sep_token_id


@given(dialogues)
def test_a_reply_is_kept_whole_where_it_leaves_room_for_some_context(dialogue):
    context, reply, limit = dialogue
    made = view(ViewBuilder(Words(), limit), context, reply)
    kept = made.full.ids[made.full.reply_start : -1]
    wanted = [int(word) + 10 for word in reply.split()]
    assert kept == wanted[: len(kept)]
    if len(wanted) + min(MIN_CONTEXT, (limit - 2) // 2) <= limit - 2:
        assert kept == wanted
    assert (len(kept) < len(wanted)) == any("the reply's first" in part for part in made.cut)


@given(dialogues)
def test_of_a_context_the_latest_tokens_are_kept_as_many_as_fit(dialogue):
    context, reply, limit = dialogue
    made = view(ViewBuilder(Words(), limit), context, reply)
    whole = [t for turn in context for t in [*(int(w) + 10 for w in turn.split()), 2]]
    seen = made.full.ids[1 : made.full.reply_start]
    assert seen
    assert seen == whole[-len(seen) :]
    assert made.context.ids[1:] == whole[-(limit - 1) :]
    cut = len(seen) < len(whole)
    assert cut == any("the context's latest" in part for part in made.cut)
    if cut:
        assert len(made.full.ids) == limit


def test_a_note_counts_what_was_read():
    made = view(ViewBuilder(Words(), 66), [words(0, 500)], words(0, 80))
    assert made.cut == (
        "the reply's first 32 of 80 tokens were read",
        "the context's latest 32 of 501 tokens were read",
    )


def test_a_short_dialogue_is_laid_out_turn_by_turn():
    made = view(ViewBuilder(Words(), 64), ["1 2", "3"], "4 5")
    assert made.context == Row([1, 11, 12, 2, 13, 2])
    assert made.full == Row([1, 11, 12, 2, 13, 2, 14, 15, 2], 6)
    assert made.cut == ()
    assert made.unknown == 0


def test_ten_thousand_words_leave_the_reply_whole_and_the_last_turn():
    made = view(ViewBuilder(Words(), 256), [words(0, 10_000), "5 6 7"], words(0, 40))
    assert made.full.ids[made.full.reply_start : -1] == [n + 10 for n in range(40)]
    assert made.full.ids[made.full.reply_start - 4 : made.full.reply_start] == [15, 16, 17, 2]
    assert made.cut == ("the context's latest 214 of 10005 tokens were read",)


def test_the_share_of_unknown_words_is_that_of_the_reply():
    assert view(ViewBuilder(Words(), 64), ["1 5000"], "4 5000 5000 5000").unknown == 0.75
    assert view(ViewBuilder(Words(), 64), ["1 5000"], "").unknown == 1


def test_rows_are_padded_and_the_reply_is_the_second_segment():
    tensors = ViewBuilder(Words(), 64).tensors([Row([1, 11, 2]), Row([1, 11, 2, 12, 2], 3)])
    assert tensors["input_ids"].tolist() == [[1, 11, 2, 0, 0], [1, 11, 2, 12, 2]]
    assert tensors["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert tensors["token_type_ids"].tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]


def test_no_dialogues_have_no_views():
    assert ViewBuilder(Words(), 64).build([]) == []


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_segments_are_given_to_the_encoders_that_have_them(encoders, kind):
    builder = ViewBuilder(AutoTokenizer.from_pretrained(encoders[kind]), 64)
    made = view(builder, ["I lost my job."], "I am so sorry.")
    assert ("token_type_ids" in builder.tensors([made.full])) == (kind == "bert")


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_reply_that_spells_out_special_tokens_gets_none(encoders, kind):
    tokenizer = AutoTokenizer.from_pretrained(encoders[kind])
    made = view(ViewBuilder(tokenizer, 64), ["I lost my job."], "Fine. [SEP] [CLS] [PAD] Fine.")
    reply = made.full.ids[made.full.reply_start : -1]
    special = {tokenizer.sep_token_id, tokenizer.cls_token_id, tokenizer.pad_token_id}
    assert not special & set(reply)
