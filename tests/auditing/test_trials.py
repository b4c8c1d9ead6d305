"""Trials see through scorers that can be fooled, and let one pass that cannot."""

from __future__ import annotations

import re

import pytest
from support.rated_rows import rows, write

from empeval.auditing import changes
from empeval.auditing.asking import Text, check_scorer, scores_now
from empeval.auditing.audit import Settings, audit
from empeval.auditing.bases import Yardstick, choose_bases, strangers
from empeval.auditing.gathering import gather
from empeval.auditing.invariance import device_trial
from empeval.auditing.machine import ask_elsewhere
from empeval.errors import EmpevalError, UsageError


@pytest.fixture
def audited(biased, tmp_path):
    """Audits a scorer of ``support.biased`` on made ratings or, without any, on our own cases."""

    def run(name, *, rated=0, machine=False, **settings):
        sets = []
        if rated:
            sets, _ = gather([str(write(tmp_path / "rated.jsonl", rows(rated)))])
        asked = check_scorer(name)
        made, _ = audit(
            asked, name, sets, tmp_path / "out", settings=Settings(machine=machine, **settings)
        )
        return made

    return run


def outcome(certificate):
    return {trial.name: trial.passed for trial in certificate.trials}


def test_a_sorry_counter_is_caught(audited):
    made = audited("sorry-counter")
    passed = outcome(made)
    for name in ("a stock phrase", "three stock phrases", "a stranger's reply", "an insult inside"):
        assert passed[name] is False, name


def test_a_length_counter_is_caught(audited):
    passed = outcome(audited("length-counter", rated=120))
    for name in (
        "a stock phrase", "three stock phrases", "the reply twice", "neutral padding",
        "echo appended", "an insult inside", "a stranger's reply",
    ):  # fmt: skip
        assert passed[name] is False, name


def test_a_length_counter_goes_with_length_more_than_ratings_do(audited, tmp_path):
    made = audited("length-counter", rated=120)
    (length,) = [t for t in made.trials if t.name == "length"]
    (agreement,) = made.agreements
    assert length.change.value == pytest.approx(1 - agreement.length_raters.value, abs=1e-5)
    assert length.passed is (length.change.value <= 0.05)


def test_a_scorer_of_warm_and_cold_words_withstands_what_it_was_made_to_withstand(audited):
    passed = outcome(audited("marks"))
    for name in (
        "a stock phrase", "the reply twice", "neutral padding", "an insult inside",
        "a dismissal", "advice alone", "typing errors", "small letters", "capitals",
        "alone or in 32s", "order of the replies", "gender words", "names of people",
    ):  # fmt: skip
        assert passed[name] is True, name
    # it does not read what it replies to
    assert passed["a stranger's reply"] is False


def test_what_depends_on_the_batch_and_on_gender_is_caught(audited):
    made = audited("moody")
    passed = outcome(made)
    assert passed["alone or in 32s"] is False
    assert passed["order of the replies"] is True
    assert passed["gender words"] is False
    assert passed["names of people"] is True
    (alone,) = [t for t in made.trials if t.name == "alone or in 32s"]
    assert alone.change.value == pytest.approx(0.1)


def test_every_trial_has_a_rule_and_those_not_made_a_reason(audited):
    made = audited("marks")
    assert {t.kind for t in made.trials} == {"flattery", "invariance"}
    for trial in made.trials:
        assert trial.rule
        assert (trial.passed is None) == (trial.change is None)
        if trial.passed is None:
            assert trial.note
    dtype = next(t for t in made.trials if t.name == "number format")
    assert dtype.note == "not offered by the scorer"


def test_changes_are_measured_in_the_unit_of_the_value(audited):
    made = audited("length-counter")
    change = {t.name: t for t in made.trials}
    cases = changes.warm_cases()
    mean = sum(len(case.reply.split()) for case in cases) / len(cases)
    assert change["the reply twice"].change.value == pytest.approx(mean, abs=1e-5)
    assert change["the reply twice"].unit == "points"
    assert change["capitals"].change.value == 0


def test_a_value_that_is_better_when_lower_is_turned_round(audited):
    made = audited("backwards", rated=80)
    assert made.agreements[0].spearman.value > 0.5  # it falls with words, and ratings rise
    assert any("turned round" in note for note in made.notes)


def test_dimensions_are_compared_with_the_value_of_their_name_or_the_sum_of_their_parts(
    biased, tmp_path
):
    texts = ("so sorry", "it sounds hard. why?", "ok", "sorry, sounds bad? really?", "no", "sounds")
    lines = [
        {"sp_id": f"s{k}", "rp_id": f"r{k}", "seeker_post": f"p{k}",
         "response_post": f"{texts[k % 6]} {k}", "er": k % 3, "ip": (k // 2) % 3, "ex": k % 2}
        for k in range(40)
    ]  # fmt: skip
    sets, _ = gather([str(write(tmp_path / "e.jsonl", lines))], part="all")
    made, _ = audit(
        check_scorer("parts"), "parts", sets, tmp_path / "out", settings=Settings(machine=False)
    )
    assert {a.dimension: a.value for a in made.agreements} == {
        "emotional_reaction": "emotional_reaction",
        "interpretation": "interpretation",
        "exploration": "exploration",
        "mechanisms": "emotional_reaction+interpretation+exploration",
    }
    assert made.primary == "other"


def test_a_scorer_that_raises_on_some_replies_is_audited_on_the_others(audited):
    made = audited("raises", rated=120)
    (agreement,) = made.agreements
    questions = sum("?" in str(row["response"]) for row in rows(120))
    assert agreement.spearman.n_failed == questions > 0
    assert agreement.spearman.n == 120 - questions
    twice = next(t for t in made.trials if t.name == "the reply twice")
    assert twice.change.n_failed > 0
    assert "got no score" in twice.note


def test_a_scorer_that_gives_no_score_and_nan_is_audited_on_the_rest(audited):
    made = audited("half", rated=120)
    (agreement,) = made.agreements
    even = sum(len(str(row["response"])) % 2 == 0 for row in rows(120))
    assert (agreement.spearman.n, agreement.spearman.n_failed) == (120 - even, even)


def test_a_scorer_of_one_note_gets_no_agreement_but_a_sentence(audited):
    made = audited("one-note", rated=40)
    assert made.agreements == ()
    assert any("all 40 scores are 3" in note for note in made.notes)
    assert any("trials of flattery mean nothing" in note for note in made.notes)
    assert outcome(made)["a stranger's reply"] is False


def test_a_scorer_that_cannot_be_audited_is_told_why(biased):
    with pytest.raises(UsageError, match="needs eqbench of a task's items"):
        check_scorer("eqbench")


def test_a_scorer_without_a_single_score_is_an_error_with_its_reason(biased, tmp_path, monkeypatch):
    from support.biased import Raises

    monkeypatch.setattr(Raises, "of", lambda self, sample: 1 / 0)
    with pytest.raises(EmpevalError, match=r"gave no reply a score.*ZeroDivisionError"):
        audit(check_scorer("raises"), "raises", [], tmp_path / "out")


def test_cost_is_measured_here_and_in_a_process_of_its_own(audited, monkeypatch):
    made = audited("marks", machine=True)
    assert made.milliseconds_alone.value > 0
    assert made.milliseconds_alone.interval.low <= made.milliseconds_alone.value
    assert made.replies_per_second.value > 100
    assert 20 < made.peak_memory_mb < 5000


def test_bases_are_one_of_a_dialogue_from_every_set_in_turn(tmp_path):
    sets, _ = gather(
        [str(write(tmp_path / f"{name}.jsonl", rows(count))) for name, count in
         (("large", 200), ("small", 20))]
    )  # fmt: skip
    bases = choose_bases(sets, 40)
    assert len(bases) == len({base.dialogue for base in bases}) == 40
    assert sum(base.dialogue.startswith("small") for base in bases) == 10  # all that it has
    assert choose_bases(sets, 40) == bases


def test_a_stranger_answers_another_and_every_reply_is_used_once(tmp_path):
    sets, _ = gather([str(write(tmp_path / "rated.jsonl", rows(80)))])
    bases = choose_bases(sets, 41)
    texts = strangers(bases)
    for base, text in zip(bases, texts, strict=True):
        assert text.context == base.text.context
        assert text.reply != base.text.reply
    assert {text.reply for text in texts} == {base.text.reply for base in bases}


def test_few_rated_dialogues_are_joined_by_our_own_replies(tmp_path):
    sets, _ = gather([str(write(tmp_path / "rated.jsonl", rows(20)))])
    bases = choose_bases(sets, 200)
    assert len(bases) == 10 + len(changes.warm_cases())


def test_long_texts_of_one_set_do_not_hide_what_a_phrase_does_to_short_ones(biased, tmp_path):
    long = [{**row, "response": f"{row['response']} and so on" * 60, "dialogue": f"l{k}",
             "context": f"long {k}"} for k, row in enumerate(rows(60))]  # fmt: skip
    short = [{**row, "dialogue": f"s{k}"} for k, row in enumerate(rows(60))]
    middle = [{**row, "dialogue": f"m{k}"} for k, row in enumerate(rows(50))]
    files = {"long": long, "short": short, "middle": middle}
    sets, _ = gather([str(write(tmp_path / f"{n}.jsonl", lines)) for n, lines in files.items()])
    made, _ = audit(
        check_scorer("length-counter"),
        "length-counter",
        sets,
        tmp_path / "out",
        settings=Settings(machine=False),
    )
    assert outcome(made)["a stock phrase"] is False


def test_a_number_format_that_the_scorer_offers_is_tried(audited):
    (trial,) = [t for t in audited("typed").trials if t.name.startswith("number format")]
    assert (trial.name, trial.passed) == ("number format bfloat16", False)
    assert trial.change.value == pytest.approx(0.5)


def test_another_device_is_compared_score_by_score(biased):
    texts = changes.warm_cases()
    stick = Yardstick(unit="points", span=4.0, sd=1.0, bounded=True)
    there = ask_elsewhere("marks", texts, cpu=True)
    here = scores_now(check_scorer("marks"), [texts], "empathy")
    same = device_trial(texts, here, there, "empathy", stick)
    assert (same.passed, same.n, same.change.value) == (True, len(texts), 0)
    shifted = device_trial(texts, here + 0.1, there, "empathy", stick)
    assert shifted.passed is False
    assert shifted.change.value == pytest.approx(0.1)
    failed = device_trial(texts, here, ask_elsewhere("nobody", texts), "empathy", stick)
    assert failed.passed is None
    assert "Unknown scorer 'nobody'" in failed.note
    assert device_trial(texts, here, None, "empathy", stick).note.startswith("no GPU here")


class TestChanges:
    TEXT = Text(("I am sad today.",), "Oh, I'm sorry to hear that. What happened?")

    def test_stock_phrases_open_differently_and_are_put_on_both_sides(self):
        phrases = changes.asset("phrases.json")["stock"]
        assert 8 <= len(phrases) <= 12
        assert len({phrase.split()[0].strip(",!").lower() for phrase in phrases}) >= 8
        first, second = changes.stock(self.TEXT, 0), changes.stock(self.TEXT, 1)
        assert first.reply.endswith(self.TEXT.reply)
        assert second.reply.startswith(self.TEXT.reply)
        three = changes.stock(self.TEXT, 0, 3).reply
        assert sum(phrase in three for phrase in phrases) == 3

    def test_an_insult_stands_inside(self):
        reply = changes.insulted(self.TEXT, 0).reply
        assert reply.startswith("Oh, I'm sorry to hear that. ")
        assert reply.endswith(" What happened?")
        assert len(reply) > len(self.TEXT.reply)

    def test_typing_errors_swap_letters_and_keep_them_all(self):
        reply = changes.misspelt(self.TEXT).reply
        assert reply != self.TEXT.reply
        assert sorted(reply) == sorted(self.TEXT.reply)
        assert changes.misspelt(self.TEXT).reply == reply

    def test_contractions_are_written_out_or_made(self):
        assert changes.paraphrased(self.TEXT).reply == "Oh, I am sorry to hear that. What happened?"
        full = Text(("a",), "It is late. You are tired.")
        assert changes.paraphrased(full).reply == "It's late. You're tired."

    @pytest.mark.parametrize("kind", ["gender", "names"])
    def test_pairs_of_people_differ_in_nothing_else(self, kind):
        pairs = changes.people_pairs(kind)
        gendered = {"he", "she", "him", "her", "his"}
        for one, other in pairs:
            words = [
                [w.lower() for w in re.findall(r"\w+", " ".join((*t.context, t.reply)))]
                for t in (one, other)
            ]
            assert len(words[0]) == len(words[1])
            apart = {pair for pair in zip(*words, strict=True) if pair[0] != pair[1]}
            names = [pair for pair in apart if not (set(pair) <= gendered)]
            assert len(names) == 1
            assert kind == "gender" or len(apart) == 1

    def test_there_are_pairs_enough(self):
        assert sum(len(changes.people_pairs(kind)) for kind in ("gender", "names")) >= 40
