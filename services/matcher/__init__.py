"""The authority on what is about whom: links parsed mail to leads and contacts; what it cannot link is not stored.

Consumes: MailParsed (live and backfill), MailboxChanged, RecordChanged, the dead letters; the CRM's change streams.
Produces: RecordChanged, SyncCompleted.
Stores: emails, links, addresses, summaries, tombstones' effects, dead letters, the ledger's final states.
Fails when: MongoDB is away (retried); a message that always fails alone goes to the dead letters, its neighbours do not.
"""
