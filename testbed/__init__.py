r"""Real servers, sample mail and everything that exercises Leadmail as a whole. Never part of a deployment.

To start the servers by hand: `python -m testbed up`. To start them in code:

    with LocalServers() as servers:
        servers.add_user("ana@example.test", "secret")
        servers.deliver("ana@example.test", b"Subject: hello\r\n\r\nhello\r\n")
        print(servers.imap, servers.environment())

- ``local``: `LocalServers`: all servers together, as child processes or containers (`LEADMAIL_HOSTING`)
- ``servers``: one module per server: RabbitMQ, MongoDB, Dovecot, the SMTP sink
- ``identity``: an identity server (OAuth2, OpenID Connect) with faults on demand
- ``parsing``: how far the parser agrees with others on a corpus of real mail
- ``processes``: child processes, ports, packages and certificates, which the servers share
- ``samples``: sample mail: the demo company, the benchmark's mailboxes, odd messages
- ``demo``: `make demo`
- ``bench``: `make bench`
- ``chaos``: `make chaos`
- ``mutants``: `make mutants`
"""
