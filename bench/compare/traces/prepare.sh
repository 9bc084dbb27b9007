#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the readers, and records the trace with whatever go there is: $GO, or go in PATH.
set -eu
: "${GO:=go}"
export GO111MODULE=off GOTOOLCHAIN=local GOFLAGS= GOCACHE="${GOCACHE:-$WORK/gocache}"
build=$(dirname "$(dirname "$ULLAGE_BIN")")
source=$(cd "$TASK/../../.." && pwd)

# Always: the libraries may have changed.
g++ -std=c++20 -O2 -I"$source/src" -I"$source/include" "$TASK/facts.cpp" -o "$WORK/facts" \
  "$build/libullage_trace.a" "$build/libullage_evidence.a" "$build/libullage_base.a" \
  -Wl,--as-needed -ldw -lelf -lz -lzstd -pthread
# Another go's tool may not know the options: each go builds its own.
if [ ! -x "$WORK/trace-tool" ] || [ "$("$GO" version)" != "$(cat "$WORK/tool-version" 2>/dev/null)" ]; then
  "$GO" build -o "$WORK/trace-tool" cmd/trace
  "$GO" version > "$WORK/tool-version"
fi
"$GO" version > "$WORK/go-version"

seconds=12
while [ "$(stat -c %s "$WORK/chatty.trace" 2>/dev/null || echo 0)" -lt 200000000 ]; do
  "$GO" build -o "$WORK/chatty" "$TASK/chatty.go"
  "$WORK/chatty" -seconds "$seconds" -o "$WORK/chatty.trace"
  seconds=$((seconds * 3 / 2))
done
[ -s "$WORK/part.trace" ] ||
  /usr/bin/python3 "$TASK/generations.py" "$WORK/chatty.trace" --part 20000000 "$WORK/part.trace"
# For the two processes: the same bytes in a file of their own.
cmp -s "$WORK/chatty.trace" "$WORK/again.trace" || cp "$WORK/chatty.trace" "$WORK/again.trace"
