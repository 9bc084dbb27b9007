#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build (or set it to another one's path)
# The fast scan, every fact, with one thread.
exec "$WORK/facts" --threads 1 --quiet "$1"
