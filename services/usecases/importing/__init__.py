"""Connecting many mailboxes at once.

- ``table``: reads the table that names them
- ``row_checks``: what a row says, checked before any login
- ``importer``: connects them, a few at a time, and says why those that failed did
"""
