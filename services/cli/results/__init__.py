"""What ``--json`` prints: one frozen model per object, from which ``docs/commands.md`` is derived.

Keys are added in later versions, never renamed or removed.

- ``base``: the base of these models, and the decorator that names what a command prints
- ``accounts``: connected mailboxes and their folders
- ``connecting``: what became of log-ins and of tables of mailboxes
- ``sharing``: who sees mailboxes' mail, and their owners' other addresses
- ``company``: the company's own domains
- ``mail``: record pages, emails and search results
- ``status``: status and queues, and what hinders a mailbox
- ``operations``: ledger, dead letters, erasures and doctor
"""
