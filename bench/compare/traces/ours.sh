#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build (or set it to another one's path)
# Every fact, by the fast scan: with one thread, with two, or followed by the strict reader and a
# comparison of both (what --verify does).
case "$CASE" in
  *-2-threads) exec "$WORK/facts" --threads 2 --quiet "$1" ;;
  *-verified) exec "$WORK/facts" --threads 1 --verify --quiet "$1" ;;
  *) exec "$WORK/facts" --threads 1 --quiet "$1" ;;
esac
