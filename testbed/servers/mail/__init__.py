"""Cyrus and Courier: real mail servers that run beside Dovecot, without being installed.

Debian's packages of mail servers exclude one another, so that these two are unpacked into a folder and run from there. The same
program (``__main__``) runs a server on the host and in a container.

- ``unpacked``: downloads Debian packages and unpacks them, without installing them
- ``settings``: what a server needs to know, and the commands it consists of
- ``cyrus``: Cyrus: configuration and commands
- ``courier``: Courier: configuration and commands
- ``logins``: verifies passwords for both, over the sockets that they ask
- ``maildirs``: the Maildirs of Courier's users
- ``delivery``: takes mail by LMTP and puts it into Maildirs: Courier has no LMTP
- ``process``: one of these servers as a child process
- ``__main__``: runs one of them, on the host or in a container
"""
