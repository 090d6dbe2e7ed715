"""Links parsed mail to leads and contacts. It is the authority: what it cannot link is not stored.

Consumes: MailParsed (live and backfill), MailboxChanged, RecordChanged, the dead letters; the CRM's change streams.
Produces: RecordChanged, SyncCompleted.
Stores: emails, links, addresses, summaries, tombstones' effects, dead letters, the ledger's final states.
Fails when: MongoDB is down (retried); a message that fails each time goes to the dead letters without its neighbours.

- ``handler``: the data flow of a batch of parsed mail
- ``linking``: which records an email is on, and why
- ``isolation``: keeps a message that always fails from failing its batch
- ``completion``: completes backfills that have no unfinished copy left
- ``mailbox_changed``: the handler for copies that are gone
- ``record_changed``: the handler for changed leads and contacts
- ``watcher``: publishes what the CRM's change streams say
- ``dead_letters``: stores what no stage could handle
- ``sweepers``: repeats what makes up for lost work
- ``latency``, ``copy_outcomes``: what is measured about each mail
- ``backlog``, ``progress``: what is measured in the database
"""
