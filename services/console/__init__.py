"""The web console: users connect mailboxes and read mail on record pages; administrators monitor the deployment.

- Serves: HTML at ``LEADMAIL_CONSOLE_PORT`` (it works without scripts); health and metrics at ``LEADMAIL_HTTP_PORT``.
- Reads: MongoDB through the store, mail through ``store.reading`` only; RabbitMQ, if available, for queues and replays.
- Stores: sign-in links and sessions; everything else through the use cases that the CLI uses, as the signed-in user.
- Fails when: MongoDB does not answer (503). Without RabbitMQ, only the pages that need it report an error.

- ``app``: the table of pages, and the application that serves them
- ``pages``: one module per subject; a page is a function of a ``RequestContext``
- ``scim``: the company's identity provider manages users and groups
- ``sign_ins``: connecting mailboxes by sign-ins at other services, and from tables
- ``web``: from a request to a response: sessions, access, forms, headers, templates, errors
"""
