"""The benchmark's mailboxes."""
