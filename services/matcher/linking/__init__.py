"""Works out which records an email is on and why, stores that, and keeps it in step with later changes.

Pure:

- ``matches``: the records that an email names
- ``threads``: the record that the thread of an email is about, holder by holder
- ``rule``: what each copy contributes to each link; the one rule behind both ways below
- ``batch_threads``: applies the rule of threads to mails of one batch that answer one another
- ``decisions``: what to store for a batch of parsed mail
- ``evidence``: what should be stored for emails that are stored already
- ``changes``: how what is stored differs from that

With the database:

- ``kept_threads``: lets threads that holders keep private grow with their mail
- ``lookups``, ``effects``: read what ``decisions`` needs, and store the result
- ``relinking``: reads evidence and applies changes until nothing differs
- ``summaries``: brings the summaries of records up to date

There are two ways because they answer two questions. A batch that arrives adds what its own copies contribute, in a few
bulk upserts, without reading the other copies of its emails: that is what makes a backfill fast. Any other change
(a copy is gone, a record changed, a thread changed) may also take something away, so relinking reads all the evidence
about an email and replaces its links by compare-and-set. The arrival hands over to relinking where adding is not enough.
"""
