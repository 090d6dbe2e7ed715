#!/bin/sh
# Starts Dovecot with the mounted configuration that is in the syntax of the installed version.
set -eu
version=$(dovecot --version | cut -d. -f1,2)
rm -rf /run/leadmail/*   # left by a killed predecessor, which had the same process id
exec dovecot -F -c "/etc/leadmail/dovecot-$version.conf"
