"""The ``leadmail`` command: guided when typed by a person, scriptable otherwise; every reading command takes ``--json``.

- ``app``          the tree of commands; a subject is imported when it is asked for
- ``session``      settings, store and broker for the length of one command; plain sentences for what can go wrong
- ``output``       JSON for programs, tables for people; what mails say never reaches the terminal unfiltered
- ``questions``    what a person is asked
- ``users``, ``company``, ``records``, ``records_csv``
- ``accounts``, ``account_settings``, ``account_removal``; ``connect`` with ``connect_login``, ``login_result``
- ``record_page``, ``email_page``, ``explain``, ``dead_letters``, ``status`` with ``status_view``, ``run``, ``console_link``
- ``shapes``       what ``--json`` prints, key by key; ``shape`` is how that is written down
- ``document``     writes ``docs/commands.md``

What it shares with the web pages is in ``services.usecases``, what is said to people in ``services.wording``.
"""
