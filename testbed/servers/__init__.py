"""One module per server, each a child process.

- ``broker``: RabbitMQ's management: virtual hosts, users, queues
- ``rabbitmq``: RabbitMQ
- ``mongod``: one MongoDB process
- ``mongo``: MongoDB as a replica set of one member
- ``replica_set``: MongoDB with several members
- ``dovecot``: Dovecot: IMAP and LMTP
- ``dovecot_config``: Dovecot's configuration, for 2.3 and 2.4
- ``dovecot_submission``: Dovecot's submission service
- ``mail``: Cyrus and Courier
- ``imap``: a login and names of folders over IMAP, for what reads mailboxes without the services
- ``scripted``: an IMAP server in memory that speaks dialects and lies on demand
- ``smtp``: the SMTP sink as a process
- ``smtp_sink``: the SMTP sink itself: keeps what it receives as files
"""
