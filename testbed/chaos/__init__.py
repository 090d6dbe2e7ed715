"""Random faults under a whole deployment, and proof that nothing was lost, doubled, confirmed too early or left unfinished.

``make chaos MINUTES=…`` runs it. The expected result is read from the IMAP server by a separate reader and computed by a reference of
its own: ``reader``, ``reference``, ``stored``, ``verdict`` and ``owed`` share no code with the services.
"""
