"""Everything that is known about mail servers and how to connect to them safely.

Knows: providers, discovery, the address guard, TLS, logins over IMAP and SMTP, what refusals mean, sealed credentials.
Does not know: accounts in the database, queues, stages. Imports ``schemas`` only.

- ``connection``: what every connection needs: policy, network guard, TLS, SASL, credentials, refusals
- ``imap``: the IMAP client
- ``smtp``: the SMTP client
- ``discovery``: from an email address to its servers
- ``check``: tries the login at both servers
- ``advice``: says what happened and what to do
"""
