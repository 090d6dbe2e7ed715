"""What local servers share, whichever server it is.

- ``parts``: the interface of a server: start, stop, kill; endpoints; errors
- ``child``, ``server``: a child process and its log; a server that is one
- ``reaper``: ends the children of a starter that was killed
- ``ports``: free TCP ports, also as a mail server's endpoints
- ``packages``: installs servers that are missing
- ``certificates``: a CA and server certificates
- ``users``: the users of the mail server and the SMTP sink
- ``waiting``: waits for a server with a deadline
"""
