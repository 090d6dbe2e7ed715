"""The IMAP client, on real and on scripted servers."""
