"""Whether a text looks English: by its letters and commonest words, without a model."""

from __future__ import annotations

import re

ENGLISH = """
a about after ago all also always am an and another any are as at aw away awesome aww back bad be
because been before being best big but by can can't could day days did didn't do does doesn't don't
even ever every feel feeling first for from get gets getting glad go going good got great guess had
happy has have he hear her here him his hope how i i'd i'll i'm i've if im in into is isn't it it's
its job just keep know last life like lot love luck made make makes man many maybe me more most much
must my myself never new nice night no not now of off oh ok old on one only or other our out over
people probably really right say school see she should shouldn't since so some someone something
sorry sounds still sure take than thank thanks that that's thats the their them then there they
they're thing things think this time to today too two up us very wait was wasn't way we we're well
went were what what's when where which while who why will wish with won't work would wow yeah year
years yes yesterday you you're your yours yourself
"""
"""The commonest words of English conversations, as we chose them."""

FOREIGN = """
aber auch auf das dass dein deine dem der dich dir du ein eine einen es für habe ich ihr ist leid
mein meine mich mir mit nicht noch nur oder schon sehr sich sie sind tut und von wenn wie wieder wir
zu zum zur
aussi avec avez c'est ce ces cette dans de des désolé elle et être fait il j'ai je le les leur mais
merci moi mon ne nouveau nous pas que quel quelle qui sa suis sur toi très tu un une votre vous
ahora al como con del el ella en eres esa ese eso esta estar estoy está gracias hace lo los las más
mucho muy para pero por porque puedo qué siento sí su tengo también tiene todo tus una
che chi ci cosa così della dei di dispiace essere gli ho hai io loro mia mio molto nel non perché
più quando quello questa questo sono stai stato tua tuo tutto è
ela ele eu foi isso isto meu minha muita muito nem não obrigado ou pelo quem sem ser seu sinto só
sua tem tenho um uma vai você é
aan als bent bij dat deze een er erg heb hebt heel het hij ik jij jouw maar mee mijn naar niet nog
ook op toch uit van veel voor waar wat wel wij zij zijn zo
och att det som på är av för med jag inte har till jeg ikke og
nie się że jest jak bardzo mnie jestem dla czy przykro mam
bir ve bu çok için değil ama
yang itu ini tidak saya aku kamu untuk dengan sangat
ja ei että minä olen ole hän
ang ng mga ako ko
"""
"""The commonest words of German, French, Spanish, Italian, Portuguese, Dutch, Swedish and
Norwegian, Polish, Turkish, Indonesian, Finnish and Tagalog, without those of English chats."""

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")

FEWEST_WORDS = 6
"""Of a shorter text no word need be common."""
LOWEST_SHARE = 0.1

_COMMON = frozenset(ENGLISH.split())
_OTHER = frozenset(FOREIGN.split())


def looks_english(text: str) -> bool:
    """Whether a text may be taken for English, by its letters and its commonest words.

    At least 70 % of the letters must be Latin without accents. The words among the commonest of
    English must be as many as those with accents and twice those among the commonest of other
    languages. Of six words or more, they must be at least 10 %. A text without any letter (emoji,
    digits) is not English.
    """
    words = WORD.findall(text[:20_000].lower().replace("’", "'"))
    letters = "".join(words)
    if not letters:
        return False
    if sum(char.isascii() for char in letters) < 0.7 * len(letters):
        return False
    common = sum(word in _COMMON for word in words)
    foreign = sum(2 if word in _OTHER else not word.isascii() for word in words)
    if foreign > common:
        return False
    return len(words) < FEWEST_WORDS or common >= LOWEST_SHARE * len(words)
