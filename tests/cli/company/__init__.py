"""Commands about the company's policy, and requests of data subjects."""
