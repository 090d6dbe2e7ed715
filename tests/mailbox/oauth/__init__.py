"""Signing in to mailboxes, at a real identity server and on scripted ones."""
