"""Sign-ins at other services: the browser goes there and comes back with a code.

- ``mailbox_sign_in``: connecting a mailbox by a sign-in at its mail service, and signing in again
"""
