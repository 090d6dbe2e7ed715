#!/bin/bash
# Starts MongoDB as a replica set with users. Only mongod may be able to read its key, so a mounted secret is copied first.
set -eu
key=/data/configdb/leadmail.key
install -m 400 /run/secrets/mongo_key "$key"
if id mongodb >/dev/null 2>&1; then chown mongodb "$key"; fi
exec docker-entrypoint.sh mongod --replSet rs0 --bind_ip_all --keyFile "$key" "$@"
