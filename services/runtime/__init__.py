"""What every stage needs and none should write itself. Knows queues and processes, never mail.

- ``settings``  every ``LEADMAIL_*`` variable; ``configuration`` makes the table in the docs from it
- ``errors``, ``outcomes``, ``retry``  what a handler may raise and return, and what follows from it
- ``bus``  the interface to the queues; ``rabbit`` the real one, ``memory`` the one for unit tests
- ``codec``, ``topology``  messages as AMQP sees them; exchanges and queues from ``schemas.routes``
- ``mongo``, ``logs``, ``metrics``, ``http``, ``periodic``  connections and what operators look at
- ``stage``  one process: opens the above, runs until told to stop, lets work in hand finish
"""
