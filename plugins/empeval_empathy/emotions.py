"""The emotions that every empathy model chooses from, and the mechanisms that it measures."""

from __future__ import annotations

EMOTIONS = (
    "afraid", "angry", "annoyed", "anticipating", "anxious", "apprehensive", "ashamed", "caring",
    "confident", "content", "devastated", "disappointed", "disgusted", "embarrassed", "excited",
    "faithful", "furious", "grateful", "guilty", "hopeful", "impressed", "jealous", "joyful",
    "lonely", "nostalgic", "prepared", "proud", "sad", "sentimental", "surprised", "terrified",
    "trusting",
)  # fmt: skip
"""The 32 of EmpatheticDialogues, in alphabetical order. Rashkin, Smith, Li, Boureau (2019)."""

MECHANISMS = ("emotional_reaction", "interpretation", "exploration")
"""EPITOME's mechanisms of empathy, in the order of a model's outputs; each a level in [0, 2].
Sharma, Miner, Atkins, Althoff (2020): A Computational Approach to Understanding Empathy Expressed
in Text-Based Mental Health Support. EMNLP."""
