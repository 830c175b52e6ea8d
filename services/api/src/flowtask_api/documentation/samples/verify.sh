#!/bin/sh
# Verifies one webhook by hand: the raw body on stdin, its headers in WEBHOOK_ID, WEBHOOK_TIMESTAMP and WEBHOOK_SIGNATURE,
# the endpoint's secret in WEBHOOK_SECRET. Ends with 0 if FlowTask sent it in the last five minutes, else with 1.
set -eu

case $WEBHOOK_TIMESTAMP in '' | *[!0-9]* | ???????????*) echo "no timestamp" >&2; exit 1 ;; esac
age=$(($(date +%s) - WEBHOOK_TIMESTAMP))
if [ "${age#-}" -gt 300 ]; then echo "too old, or from the future" >&2; exit 1; fi

key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
expected=$({ printf '%s.%s.' "$WEBHOOK_ID" "$WEBHOOK_TIMESTAMP"; cat; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)

digest() { printf %s "$1" | openssl dgst -sha256; } # of two digests, how long comparing takes tells nothing
set -f
for entry in $WEBHOOK_SIGNATURE; do
  if [ "$(digest "$entry")" = "$(digest "v1,$expected")" ]; then exit 0; fi
done
echo "no signature matches" >&2
exit 1
