"""The plain yardsticks: what any text tells without a trained judge."""
