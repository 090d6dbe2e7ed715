"""The independent proof: what servers and database hold, and the verdict. Shares no code with the services."""
