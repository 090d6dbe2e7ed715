"""Synchronisation: accounts, leases and backfills.

- ``accounts``, ``former_accounts``: connected mailboxes, and mailboxes that are connected again
- ``account_tokens``: OAuth2 tokens that one process at a time refreshes
- ``relay_refresh``: the same for the server that sends Leadmail's own mail
- ``account_troubles``: accounts that a poller blocks, or cannot work on for now
- ``leases``: which poller works on which account
- ``epochs``: backfills from the first folder to the confirmation
- ``backlog``, ``progress``, ``status``: numbers
- ``blocked_accounts``: blocked accounts whose login is tried again
- ``attention``: mails about blocked accounts, and about lasting trouble
- ``budgets``: what all pollers together may ask of a mail service
- ``host_connections``: how many connections to a mail server they have open
"""
