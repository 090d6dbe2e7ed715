"""The benchmark's mailboxes.

- ``mailbox``: one large mailbox, as a Maildir
- ``team``, ``team_mail``: a company that shares its mail in every way, and mail over several of its mailboxes
- ``message``, ``text``, ``people``: what one message is made of
"""
