"""The web console: people connect their mailboxes, read record pages and their mail; administrators look at the whole.

- Serves: HTML at ``LEADMAIL_CONSOLE_PORT``, without scripts if need be; health and metrics at ``LEADMAIL_HTTP_PORT``.
- Reads: MongoDB by the store, mail by ``store.reading`` alone; RabbitMQ, where it is there, for queues and replays.
- Stores: links, sessions; accounts, policies and the rest by the ways that the commands go, in the name of who is signed in.
- Fails when: MongoDB does not answer (503). Without RabbitMQ only what needs it says so.

``app`` is the table of pages; a page is a function of a ``Visit``; ``answers`` is what becomes of its errors.
"""
