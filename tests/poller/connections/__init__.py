"""Tests of a mailbox's connections: pauses, budgets, blocked accounts, secrets."""
