"""The bus: connection, publishing with confirms, consuming, retries and dead letters. It knows nothing about mail.

- ``stage``: a process that consumes queues
- ``delivery``: handles and settles messages, the same way on both buses
- ``rabbitmq``: the bus on RabbitMQ
- ``memory``: the bus in memory, for unit tests
"""
