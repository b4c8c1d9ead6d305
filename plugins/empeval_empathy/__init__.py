"""Trained judges of empathy: Baseline, STM and MVC encoders and the scorers that use them."""
