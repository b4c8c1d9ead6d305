"""EQ-Bench 3: role plays in fixed turns, and analyses of them."""
