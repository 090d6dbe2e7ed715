"""Leadmail's contracts: what crosses a queue, what is in MongoDB, who may see what.

Imports nothing of ours; everything else imports this.

- ``base``: the frozen model that every contract derives from
- ``addresses``: one normal form of an email address and of a domain; public suffixes
- ``identity``: keys of copies, emails and links
- ``messages``: what crosses a queue
- ``mail``: the parts of a parsed mail, shared by messages and documents
- ``accounts``, ``records``, ``ledger``, ``emails``: what is in MongoDB
- ``raw_mail``: header block and body of a mail, and which header fields every reader may see
- ``header``: address fields and encoded words of a mail's header, as the poller and the parser both read them
- ``bounces``: whether a mail is a bounce, and whom it is about, as the poller and the parser both decide it
- ``sharing``: the rule of who sees what, as pure functions
- ``threads``: the rule of threads: which record the mail that an email answers is about
- ``errors``: the errors that handlers raise
- ``routes``: the map of the system, one row per route
- ``topology``: the exchanges, queues and bindings that the routes need
"""
