#!/bin/bash
# The command picks: a stage, the console, `healthy` for the container's health check, or a `leadmail` command.
set -eu
case "$*" in
  poller | parser | matcher | notifier | console)   # the word alone: `console link EMAIL` is a `leadmail` command
    exec python -m "services.$1"
    ;;
  healthy)   # runs every few seconds, so without Python, whose start would cost more than an idle stage
    exec 3<>"/dev/tcp/127.0.0.1/$LEADMAIL_HTTP_PORT"
    printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n' >&3
    read -r -t 4 answer <&3
    echo "$answer"
    [[ $answer == *" 200 "* ]]
    ;;
  *) exec leadmail "$@" ;;
esac
