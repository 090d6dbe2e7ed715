"""The bus: connection, publishing with confirms, consuming, retries and dead letters. It never knows mail.

- ``stage``: a process that takes messages from queues
- ``delivery``: from an incoming message to a settled one, whichever bus carries it
- ``rabbitmq``: the bus on RabbitMQ
- ``memory``: the bus in memory, for unit tests
"""
