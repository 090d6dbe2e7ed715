"""The bus: connection, publishing with confirms, consuming, retries and dead letters. Never mail."""
