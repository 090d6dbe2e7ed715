"""The folders of accounts, and the ledger: one row per copy.

- ``folders``: folders of accounts
- ``ledger``, ``ledger_rows``, ``ledger_counts``: rows looked up, in BSON, and counted
- ``cached_counts``: counts that are kept until the ledger changes
- ``row_views``: what a look-up returns of a row
- ``ledger_poller``, ``ledger_matcher``, ``ledger_operator``: what each of them writes
- ``ledger_doubts``: rows whose mail did not come, until that is final
- ``ledger_outcomes``: final states, written many at a time
- ``remarking``: rows whose marks another key made
- ``message_ids``: Message-IDs that different mails of a mailbox carry
"""
