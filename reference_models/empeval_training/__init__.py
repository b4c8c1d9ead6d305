"""Trains the reference models of empeval: data, recipes, and what was measured of them."""
