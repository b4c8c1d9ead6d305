"""ESConv's seekers, turn by turn, answered by the model."""
