"""What every stage needs and none should write itself. Knows queues and processes, never mail.

What stages see:

- ``process``  logs, database, health and metrics of one process, until it is told to stop; ``stage`` adds the bus
- ``bus``  the interface to the queues; ``outcomes`` and ``errors``: what handlers get, return and raise
- ``settings``  every ``LEADMAIL_*`` variable (read by ``environment``; ``configuration`` makes the table in the docs)
- ``periodic``, ``logs``, ``metrics``, ``http``, ``mongo``

Behind the bus, from the wire to the handler and back:

- ``rabbit``  the bus on RabbitMQ; ``memory`` the one for unit tests; one behaviour suite for both
- ``link`` a connection that is made again; ``topology`` what it declares; ``management`` the broker's HTTP interface
- ``subscription`` takes messages (``received``), ``intake`` decides when they are handled, ``dispatch`` handles and settles
- ``retry`` what follows from a failure, ``dead`` the end of the line, ``report`` the log lines
- ``codec``  messages as CloudEvents; ``publisher`` sends them with confirms, ``lanes`` hold what full queues refuse
- ``context``  the trace that a message belongs to; ``tracing`` the spans and ``collector`` where they go, loaded where wanted only
"""
