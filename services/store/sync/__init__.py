"""Synchronisation: accounts, leases, folders, backfills and the ledger.

- ``accounts``, ``former_accounts``: connected mailboxes, and mailboxes that are connected again
- ``leases``: which poller works on which account
- ``folders``, ``epochs``: folders, and backfills from the first folder to the confirmation
- ``ledger``, ``ledger_rows``: one row per copy; looked up, and in BSON
- ``ledger_poller``, ``ledger_matcher``, ``ledger_operator``: what each of them writes
- ``remarking``: rows whose marks another key made
- ``message_ids``: Message-IDs that different mails of a mailbox carry
- ``ledger_counts``, ``backlog``, ``progress``, ``status``: numbers
"""
