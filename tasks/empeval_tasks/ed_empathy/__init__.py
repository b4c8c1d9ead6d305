"""EmpatheticDialogues: reply to someone who tells of an emotional situation."""

from empeval_tasks.dialogues import EMOTIONS

__all__ = ["EMOTIONS"]
