"""Mails to owners: each is sent once."""
