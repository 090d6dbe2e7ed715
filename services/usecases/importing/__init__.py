"""Connecting many mailboxes at once.

- ``spreadsheet``: reads and writes tables in CSV, whatever they are about
- ``table``: reads the table that names them, and writes those that failed
- ``row_checks``: what a row says, checked before any login
- ``importer``: connects them, a few at a time, and says why those that failed did
"""
