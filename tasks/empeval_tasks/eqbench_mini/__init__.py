"""A small task of EQ-Bench's kind on dialogues of our own: for smoke tests, needs no download."""
