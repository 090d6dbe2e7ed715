"""Keeps the ledger in step with one mailbox.

- ``account_context``: the account, lease and collaborators that all modules here share
- ``metrics``: the poller's metrics
- ``background_sync``: the order of background work: backfill, waiting bodies, comparison
- ``backfill``: opens an epoch, walks its folders, seals it
- ``folder_scan``: the uids of one folder in windows, newest first
- ``mailbox_watcher``: notices changes by IDLE, NOTIFY or polling
- ``live_sync``: new mail, flags and expunges of one folder
- ``folder_changes``: folders that appear or disappear
- ``folder_snapshot``: how a folder looked when it was last synchronised
- ``headers``: participants and thread ids of a raw header block
- ``relevance``: which mail concerns a record, and the ledger rows for it
- ``threads``: whether a mail without a known participant answers mail that the owner sent about a record
- ``body_fetcher``: fetches bodies of relevant mail in batches
- ``publish_tracker``: publishes mail and marks its rows
- ``ledger_repair``: compares a folder with its rows and repairs them
- ``reconcile``: runs that comparison for all folders now and then
- ``removals``: records and announces copies that are gone
"""
