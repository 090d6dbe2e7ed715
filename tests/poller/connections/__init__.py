"""Tests of a mailbox's connections: pauses, budgets, shared connections, blocked accounts, secrets."""
