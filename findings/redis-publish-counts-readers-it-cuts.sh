#!/usr/bin/env bash
# Expected: the number that PUBLISH answers is the number of subscribers that were given the message.
# Happens: a message above the hard limit of `client-output-buffer-limit pubsub` (32 MB by default) is answered with the
#   number of subscribers, and each of them is disconnected instead, however fast it reads. None has the message.
# Version: Redis 7.0.15 (Debian: redis-server, redis-tools).
# Matters: to backplanes on Redis pub/sub. One large message cuts every node at once, and its sender is told of success;
#   so a backplane has to know the limit (CONFIG GET) and refuse larger messages itself.
set -euo pipefail

command -v redis-server >/dev/null && command -v redis-cli >/dev/null || {
    echo "missing: redis-server and redis-cli (Debian: apt-get install redis-server)"
    exit 1
}
folder=$(mktemp -d)
server= subscriber=
end() {
    [ -z "$subscriber" ] || kill "$subscriber" 2>/dev/null || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT

cli() { redis-cli -s "$folder/redis.sock" "$@"; }

# until WHAT COMMAND..: waits at most ten seconds for a command to succeed.
until_so() {
    local what=$1 tries
    shift
    for ((tries = 0; tries < 100; tries++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    echo "waited in vain for $what"
    exit 1
}

redis-server --version
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --dir "$folder" >"$folder/log" &
server=$!
until_so "the server" cli ping
limit=$(cli config get client-output-buffer-limit)
echo "$limit" | tail -n 1

subscribers() { [ "$(cli pubsub numsub news | tail -n 1)" = "$1" ]; }
redis-cli -s "$folder/redis.sock" subscribe news >"$folder/received" 2>"$folder/why" &
subscriber=$!
until_so "the subscriber" subscribers 1

small=$(cli publish news small)
until_so "the small message" grep -q small "$folder/received"
head -c 40000000 /dev/zero | tr '\0' x >"$folder/large"
large=$(cli -x publish news <"$folder/large")
until_so "the subscriber to be cut" subscribers 0
length=$(stat -c %s "$folder/received")

echo "a message of 5 bytes: PUBLISH answers $small, and it is received"
echo "a message of 40,000,000 bytes: PUBLISH answers $large, the subscriber is cut, and has received $length bytes in all"
[ "$small" = 1 ] && [ "$large" = 1 ] && [ "$length" -lt 1000000 ]
