"""Emotion head, strategy head and the EQ score on a frozen language model's embeddings."""
