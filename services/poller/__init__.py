"""Watches mailboxes: enumerates what is there, notices what comes, changes and goes, fetches relevant bodies.

Consumes: nothing but the mailboxes of accounts it has leased. Produces: MailFetched, MailboxChanged, AccountAttention, SyncCompleted.
Stores: ledger rows, folders and their cursors, epochs, raw large mail (blobs), account states; each write under the lease's token.
Fails when: the lease is lost (drops the account at once), a login is refused (``blocked``), the line is down (waits, connects again).
"""
