"""Everything that is known about mail servers and how to connect to them safely.

Knows: providers, discovery, the address guard, TLS, logins over IMAP and SMTP, what refusals mean, sealed credentials.
Does not know: accounts in the database, queues, stages. Imports ``schemas`` only.

- ``policy``        what the operator allows: one value that every connection is made under
- ``imap_connect``  ``connect_imap``: a logged-in ``imapclient.IMAPClient`` over a checked socket (blocking)
- ``imap_commands`` what is asked over it (blocking), ``imap_answers`` what comes back, ``uids`` a folder's uids in windows
- ``reader``        a mailbox to look into, for commands (asyncio); the poller has a session of its own
- ``folders``       which folders are synchronised, and by which names they are known
- ``smtp_connect``  ``connect_smtp``, ``submit``: the same for SMTP (asyncio)
- ``providers``     the directory of mail services (``providers.toml``)
- ``discovery``     from an address to its servers
- ``check``         try the login at both servers, say what happened and what to do
- ``secrets``       envelope encryption of credentials, keys derived from the deployment's
"""
