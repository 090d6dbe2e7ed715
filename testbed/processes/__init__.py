"""What local servers share, whichever server it is.

- ``parts``: the interface of a server: start, stop, kill; endpoints; errors
- ``child``, ``server``: a child process and its log; a server that is one
- ``reaper``: ends the children of a starter that was killed
- ``ports``: free TCP ports
- ``packages``: installs servers that are missing
- ``certificates``: a CA and server certificates
- ``users``: Dovecot's users
- ``waiting``: waits for a condition with a deadline
"""
