"""Random faults in a whole deployment, and proof that nothing was lost, doubled, confirmed too early or left unfinished.

``make chaos MINUTES=…`` runs it. A separate reader reads the mail from the IMAP server, and a separate reference computes the expected
result: ``reader``, ``reference``, ``stored``, ``verdict`` and ``owed`` share no code with the services.
"""
