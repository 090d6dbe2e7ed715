"""Emails, links, blobs and dead letters."""
