"""The notifier tells owners: once when their mail is synchronised, once when their account needs them.

Consumes: ``sync.completed``, ``account.attention``; a sweeper finds what is due in the database when an event was lost.
Produces: mail, by the operator's SMTP server.
Stores: which confirmation and which incident was told, by compare-and-set.
Fails when: the database does not answer. A mail server that refuses or is down fails nothing: the mail stays due and is swept.
"""
