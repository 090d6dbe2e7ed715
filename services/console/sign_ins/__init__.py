"""Connecting mailboxes other than by a password form: sign-ins at other services, and tables.

- ``importing``: connecting many mailboxes from a table
- ``mailbox_sign_in``: connecting a mailbox by a sign-in at its mail service, and signing in again
"""
