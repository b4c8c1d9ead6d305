"""Texts that real models and real people produce and that code tends to trip over."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

UNUSUAL_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "empty": "",
        "blank": " \n\t\u00a0\u3000",
        "one letter": "I",
        "100,000 characters in words": "sorry to hear that, " * 5_000,
        "100,000 characters without a space": "a" * 100_000,
        "100,000 line ends": "\n" * 99_999 + ".",
        "emoji": "😢 👩‍👩‍👧‍👦 🏳️‍🌈 ❤️",
        "right to left": "أنا آسف لسماع ذلك. אני מצטער \u202eabc\u202c",
        "no spaces between words": "听到这个消息我很难过。",
        "combining marks": "e\u0301" * 50 + "\u0301",
        "control characters": "a\x00b\x1b[31mc\u200b\ufeff\r\nd",
        "markup": "<b>**Sad:** 3</b> {{x}} [/INST] <|im_end|>",
        "numbers": "1" * 5_000 + " NaN -inf 1e999 ٣",
    }
)
"""A name for each, and the text."""
