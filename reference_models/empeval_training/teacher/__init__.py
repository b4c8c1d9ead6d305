"""The teacher: a cross-encoder that learns what people said of replies, dimension by dimension."""
