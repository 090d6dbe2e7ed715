"""Commands about connected mailboxes."""
