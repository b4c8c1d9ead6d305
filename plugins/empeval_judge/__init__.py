"""A language model as a judge of replies, by a rubric in a file."""
