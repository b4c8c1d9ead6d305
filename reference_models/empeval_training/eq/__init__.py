"""The EQ pipeline: SFT, emotion and strategy heads, DPO."""
