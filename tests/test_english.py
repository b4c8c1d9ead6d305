"""Which texts are taken for English."""

from __future__ import annotations

import pytest

from empeval.english import looks_english
from empeval_tasks.ed_empathy.task import EDEmpathy
from empeval_tasks.ed_mini.task import EDMini

OTHERS = {
    "German": (
        "Das tut mir wirklich leid, ich hoffe, dass es dir bald besser geht.",
        "Ich war in Berlin und will am Montag wieder an die Arbeit.",
        "Tut mir leid.",
    ),
    "French": (
        "Je suis vraiment désolé pour toi, tu dois te sentir très seul.",
        "Mon chien est mort hier et je suis très triste.",
        "Quelle bonne nouvelle !",
    ),
    "Spanish": (
        "Lo siento mucho, debe de ser muy difícil para ti.",
        "Mi perro murió ayer y no puedo dejar de llorar.",
        "Lo siento mucho.",
    ),
    "Dutch": (
        "Wat erg voor je, ik hoop dat het snel beter gaat.",
        "Mijn oma is gisteren overleden en ik mis haar heel erg.",
        "Wat naar voor je.",
    ),
    "Italian": (
        "Mi dispiace tanto, deve essere stato molto difficile per te.",
        "Ieri ho perso il lavoro e non so come dirlo a mia moglie.",
        "Che bella notizia!",
    ),
    "Portuguese": (
        "Sinto muito, deve ser muito difícil para você.",
        "Meu cachorro morreu ontem e eu não consigo parar de chorar.",
        "Que notícia boa!",
    ),
    "Swedish": ("Jag är så ledsen för din skull, det måste vara svårt.",),
    "Polish": ("Bardzo mi przykro, to musi być dla ciebie trudne.",),
    "Turkish": ("Senin için çok üzgünüm, umarım her şey düzelir.",),
    "Indonesian": ("Saya turut sedih mendengarnya, semoga kamu baik-baik saja.",),
    "Chinese": ("听到这个消息我很难过。",),
    "Arabic": ("أنا آسف لسماع ذلك.",),
    "Russian": ("Мне очень жаль, держись.",),
}


@pytest.mark.parametrize(
    "text", [text for texts in OTHERS.values() for text in texts], ids=lambda text: text[:20]
)
def test_other_languages_are_told_apart_however_short(text):
    assert not looks_english(text)


@pytest.mark.parametrize("text", ["", "  \n", "😢😢", ":)", "12 5", "?!"])
def test_a_text_without_letters_is_not_english(text):
    assert not looks_english(text)


@pytest.mark.parametrize(
    "text",
    [
        "Congratulations!",
        "hahaha omg",
        "Aww",
        "I’m so sorry, that’s awful",
        "I loved the café on Zoë's street.",
        "De la Cruz was my favourite singer, she is the best.",
        "thats awesome. dont spoil anything, okay? :D",
        "My ex husband passed away last year.",
        "Hmm, wear something thick and long. Maybe hockey pads!",
    ],
)
def test_the_way_people_chat_is_english(text):
    assert looks_english(text)


def test_every_chat_of_our_own_is_english():
    for item in EDMini().items():
        assert looks_english(item.reference), item.reference
        assert looks_english(item.messages[-1].content), item.messages[-1].content


def test_hardly_any_real_reply_is_taken_for_another_language(real_data, monkeypatch):
    monkeypatch.setenv("EMPEVAL_DATA", str(real_data))
    replies = [item.reference for item in EDEmpathy().items()]
    refused = [reply for reply in replies if not looks_english(reply)]
    assert len(replies) > 5000
    assert len(refused) < 0.003 * len(replies), refused
