"""Connections to the mailboxes of accounts, bounded per account and host."""
