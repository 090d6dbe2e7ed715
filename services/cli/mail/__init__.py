"""Commands about records and their mail."""
