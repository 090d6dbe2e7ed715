"""The bus: connection, publishing with confirms, consuming, retries and dead letters. It knows nothing about mail.

- ``stage``: a process that consumes queues
- ``delivery``: the interface of the bus; handles and settles messages
- ``rabbitmq``: the bus on RabbitMQ
"""
