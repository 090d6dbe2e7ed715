"""Accounts, leases and backfills."""
