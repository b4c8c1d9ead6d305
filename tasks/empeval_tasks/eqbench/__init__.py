"""EQ-Bench v2: predict how strongly a character feels four emotions when a dialogue ends."""
