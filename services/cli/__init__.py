"""The ``leadmail`` command: guided when a person types it, scriptable otherwise; every reading command takes ``--json``.

- ``app``: the tree of commands; a subject is imported only when it is needed
- ``lazy_commands``: groups that import the command that is called
- ``init``: writes the settings and the secret key of a deployment, once
- ``accounts``: connected mailboxes
- ``company``: users, the sharing policy, privacy and the audit log
- ``mail``: records and their mail
- ``overview``: status and queues
- ``operations``: ledger, dead letters, doctor, run, setup
- ``results``: the models that ``--json`` prints
- ``terminal``: what every command needs: output, questions, a session with settings and store

What the CLI shares with the web console is in ``services.usecases``; the words are in ``services.wording``.
"""
