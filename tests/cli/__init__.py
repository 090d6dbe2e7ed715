"""The ``leadmail`` command, as a user at a terminal or a program runs it."""
