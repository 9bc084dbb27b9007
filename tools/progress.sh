#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# progress.sh LABEL COMMAND...: runs a chatty command and shows one line of how far it is: rewritten
# in place on a terminal, repeated every few seconds elsewhere, so that a log shows life too. The
# whole output is kept until the end and printed only if the command fails. Exits as the command.
set -u
label=$1
shift
log=$(mktemp "${TMPDIR:-/tmp}/ullage-progress.XXXXXX")
trap 'rm -f "$log"' EXIT
period_s=3                       # between two lines when nobody can see a line being rewritten
[ -t 1 ] && period_s=0.3

show() {
  local text
  text=$(tail -c 2000 "$log" | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -1 |
    sed 's/Building C[A-Z]* object CMakeFiles\/[^/]*\.dir\///; s/\.o$//' | cut -c1-70)
  if [ -t 1 ]; then
    printf '\r\033[K%s  %ds  %s' "$label" "$SECONDS" "$text"
  else
    printf '%s  %ds  %s\n' "$label" "$SECONDS" "$text"
  fi
}

"$@" >"$log" 2>&1 </dev/null &
child=$!
trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
# Short looks, so that a quick command is not made to wait for the end of a long period.
last=$SECONDS
while kill -0 "$child" 2>/dev/null; do
  sleep 0.1
  if [ -t 1 ] || [ $((SECONDS - last)) -ge "${period_s%.*}" ]; then
    show
    last=$SECONDS
    [ -t 1 ] && sleep "$period_s"
  fi
done
wait "$child"
status=$?
[ -t 1 ] && printf '\r\033[K'
if [ "$status" -eq 0 ]; then
  echo "$label: done in ${SECONDS} s"
else
  cat "$log" >&2
  echo "$label: failed (exit code $status) after ${SECONDS} s: $*" >&2
fi
exit "$status"
