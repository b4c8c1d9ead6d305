"""Every source as chats: messages that end with the assistant's turn, and where it is from."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from empeval import DataError, Message, load_rows
from empeval_heads.labels import EMOTIONS
from empeval_tasks.ed_empathy.rows import DATASET as ED
from empeval_tasks.ed_empathy.rows import read_conversations
from empeval_tasks.ed_empathy.task import REVISION
from empeval_training.data import GOEMOTIONS, check_comments
from empeval_training.eq.esconv import DATASET as ESCONV
from empeval_training.eq.esconv import SUPPORTER, Talk, read_talks

SUPPORT_PROMPT = (
    "Someone who is going through a hard time is talking to you. Listen, show that you "
    "understand, and help them find their own way."
)
EMOTION_PROMPT = "Name the emotions that the writer of this comment expresses, separated by commas."

LICENSES = {
    ED: "CC BY-NC 4.0",
    ESCONV: "CC BY-NC 4.0, academic use",
    GOEMOTIONS: "Apache-2.0",
}


class Chat(msgspec.Struct, frozen=True):
    """One example: the model learns to write ``completion`` after ``prompt``.

    Attributes:
        id: unique within its source.
        source: the data set it is from.
        prompt: system, user and assistant turns in order; the user's is last.
        completion: one assistant turn.
    """

    id: str
    source: str
    prompt: tuple[Message, ...]
    completion: tuple[Message, ...]


def empathetic_dialogues(split: str) -> list[Chat]:
    """A chat for each listener turn of EmpatheticDialogues."""
    files = (f"{split}.csv", f"{split}.csv.gz", f"*/{split}/*.parquet")
    chats = []
    for conversation in read_conversations(load_rows(ED, files, revision=REVISION)):
        for item in conversation.items("all"):
            reply = item.reference or ""
            if reply.strip():
                chats.append(
                    Chat(item.id, ED, item.messages, (Message("assistant", reply.strip()),))
                )
    return chats


def esconv(split: str) -> list[Chat]:
    """A chat for each supporter turn of ESConv, successive turns of one speaker joined."""
    return [chat for talk in read_talks(split) for chat in support_chats(talk)]


def support_chats(talk: Talk) -> list[Chat]:
    """A chat for each supporter turn of a talk that answers something the seeker said."""
    chats = []
    said: list[Message] = [Message("system", SUPPORT_PROMPT)]
    for number, turn in enumerate(talk.merged().turns, 1):
        message = Message("assistant" if turn.speaker == SUPPORTER else "user", turn.text)
        if turn.speaker == SUPPORTER and any(m.role == "user" for m in said):
            chats.append(Chat(f"{talk.id}#{number}", ESCONV, tuple(said), (message,)))
        if len(said) > 1 or message.role == "user":
            said.append(message)  # a talk that the supporter opens begins with the seeker's turn
    return chats


def go_emotions(split: str) -> list[Chat]:
    """A chat for each GoEmotions comment: the user writes it, the assistant names its emotions."""
    files = (f"{split}.jsonl", f"{split}.jsonl.gz", f"*/{split}-*.parquet")
    chats = []
    for number, row in enumerate(check_comments(load_rows(GOEMOTIONS, files)), 1):
        text = row["text"].strip()
        names = ", ".join(EMOTIONS[label] for label in row["labels"])
        if text and names:
            prompt = (Message("system", EMOTION_PROMPT), Message("user", text))
            identifier = str(row.get("id") or f"{split}-{number}")
            chats.append(Chat(identifier, GOEMOTIONS, prompt, (Message("assistant", names),)))
    return chats


SOURCES: dict[str, Callable[[str], list[Chat]]] = {
    ED: empathetic_dialogues,
    ESCONV: esconv,
    GOEMOTIONS: go_emotions,
}


def check_chat(chat: Chat, where: str) -> Chat:
    """Refuse a chat that cannot be trained on.

    Raises:
        DataError: no user turn before the completion, or an empty text.
    """
    if len(chat.completion) != 1 or chat.completion[0].role != "assistant":
        raise DataError(f"{where}: the completion must be one assistant message.")
    if not chat.completion[0].content.strip():
        raise DataError(f"{where}: the completion is empty.")
    if not chat.prompt or chat.prompt[-1].role != "user" or not chat.prompt[-1].content.strip():
        raise DataError(f"{where}: the prompt must end with a user message that says something.")
    return chat
