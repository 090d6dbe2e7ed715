"""Backfills, live mail, and comparing a mailbox with its ledger."""
