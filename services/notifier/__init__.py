"""Mails account owners: once when their mail is synchronised, once when their account needs attention.

Consumes: ``sync.completed``, ``account.attention``; a sweeper finds due mail in the database if an event was lost.
Produces: mail, through the operator's SMTP server.
Stores: which confirmations and incident mails were sent, by compare-and-set.
Fails when: the database is down. If the mail server refuses a mail or is down, the mail stays due and the sweeper retries it.
"""
