#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build (or set it to another one's path)
# Every fact, by the fast scan: with one thread, with two, or followed by the strict reader and a
# comparison of both (what --verify does). Two processes, each with one thread and a file of its
# own, share nothing but the machine: what they reach together is what two threads can hope for.
case "$CASE" in
  *-2-threads) exec "$WORK/facts" --threads 2 --quiet "$1" ;;
  *-2-processes)
    "$WORK/facts" --threads 1 --quiet "$1" &
    "$WORK/facts" --threads 1 --quiet "$2" && wait "$!"
    ;;
  *-verified) exec "$WORK/facts" --threads 1 --verify --quiet "$1" ;;
  *) exec "$WORK/facts" --threads 1 --quiet "$1" ;;
esac
