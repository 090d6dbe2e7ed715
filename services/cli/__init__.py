"""The ``leadmail`` command: guided when typed by a person, scriptable otherwise; every reading command takes ``--json``.

- ``app``          the tree of commands
- ``session``      settings, store and broker for the length of one command
- ``output``       JSON for programs, tables for people; what mails say never reaches the terminal unfiltered
- ``users``, ``accounts``, ``records``, ``emails``, ``status``, ``dead_letters``, ``run``  a subject each
"""
