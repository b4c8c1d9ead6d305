"""Politeness as a plugin of empeval."""
