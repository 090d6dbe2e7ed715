"""Mail servers: how to find them, connect to them safely, and understand what they say.

Knows providers, discovery, the network guard, TLS, log-ins over IMAP and SMTP, what refusals mean, sealed credentials.
Does not know the accounts in the database, queues or stages. Imports ``schemas`` only.

- ``connection``: what every connection needs: policy, network guard, TLS, credentials, refusals
- ``imap``: the IMAP client
- ``oauth``: signing in by OAuth2, and keeping tokens fresh
- ``smtp``: the SMTP client, and the operator's relay
- ``providers``: the directory of mail services (``providers.toml``)
- ``popular``: the services of the directory that users choose from
- ``public_mail``: which domains belong to public mail services
- ``discovery``: from an e-mail address to its servers
- ``check``: try the log-in at an account's two servers
- ``advice``: what to tell a user for each code
- ``app_only_advice``: what to tell administrators about mailboxes that Leadmail opens in its own name
- ``outgoing_mail``: build the mails that Leadmail sends
"""
