"""Synchronises leased mailboxes with the ledger and publishes relevant mail.

Consumes: nothing from the broker; it reads the mailboxes of the accounts that it leases.
Produces: MailFetched, MailboxChanged, AccountAttention, SyncCompleted.
Stores: ledger rows, folders and their cursors, epochs, large raw mail (blobs), account state; every write carries the lease token.
Fails when: the lease is lost (drops the account), logins stay refused (blocks it), the server is down (retries with back-off).

An account (``supervisor``, ``account_worker``, ``recovery``)::

            lease acquired                 connection fails
    free ───────────────────> running <────────────────────────> waiting (back-off)
     ^                          │ │         pause is over            │
     └── released, lease lost ──┘ └── failure for the owner to fix ──┴──> blocked ── owner fixes it ──> free

A backfill, which is one epoch of an account (``sync.background_sync``, ``sync.backfill``)::

    resync requested ── folder ends noted ──> enumerating ── folders walked, compared ──> sealed ── no row unfinished ──> complete
                                               │       ^
                                               └───────┘ next window: headers, relevance, rows and cursor, bodies

Live mail, in every folder from the noted end on (``sync.mailbox_watcher``, ``sync.live_sync``). The second connection
(``second_connection``) idles on Sent while it has no background work::

    watching ── IDLE, NOTIFY, round of turns ─> checking ── new mail of all folders, then flags and removals ──> watching
                                                 │    ^
                                                 └────┘ other uidvalidity: supersede the rows, enumerate the folder again
"""
