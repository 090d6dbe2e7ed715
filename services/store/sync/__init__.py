"""Accounts, leases, folders, epochs and the ledger."""
