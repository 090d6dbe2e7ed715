"""The IMAP client: connect, log in, ask, read answers."""
