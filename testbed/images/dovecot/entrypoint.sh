#!/bin/sh
# Starts Dovecot with the mounted configuration that is in the syntax of the installed version.
set -eu
version=$(dovecot --version | cut -d. -f1,2)
rm -rf /run/leadmail/*   # what a killed predecessor left; its process id would be ours
exec dovecot -F -c "/etc/leadmail/dovecot-$version.conf"
