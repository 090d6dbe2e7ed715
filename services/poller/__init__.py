"""Watches mailboxes: enumerates what is there (backfill), notices what comes, changes and goes (live), fetches relevant bodies.

Consumes: nothing but the mailboxes of the accounts it holds a lease on. Produces: MailFetched, MailboxChanged, AccountAttention, SyncCompleted.
Stores: ledger rows, folders with their cursors, epochs, the raw of large mail (blobs), account states; every write under its lease's token.
Fails when: the lease is lost (drops the account at once); a login is refused (``blocked``, its owner is told); trouble on the line (waits, connects again).
"""
