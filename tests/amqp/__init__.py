"""The bus: on a real RabbitMQ, and in memory where that is enough."""
