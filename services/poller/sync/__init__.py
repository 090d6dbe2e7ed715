"""Keeping the ledger in step with a mailbox: backfill, live mail, flags, folders, comparison."""
