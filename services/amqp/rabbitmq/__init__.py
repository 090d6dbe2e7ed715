"""The bus on RabbitMQ: connections, publishing, subscriptions, topology, diagnostics."""
