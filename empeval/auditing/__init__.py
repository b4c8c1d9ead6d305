"""How far a scorer agrees with people, and what can fool it: ``empeval audit``."""
