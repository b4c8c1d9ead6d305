"""Short chats of our own in the form of EmpatheticDialogues; they come with the package."""
