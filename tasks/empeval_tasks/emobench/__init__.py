"""EmoBench's two tasks: understanding emotions, and applying that."""
