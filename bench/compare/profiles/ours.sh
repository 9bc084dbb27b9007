#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build (or set it to another one's path)
# Reads, aggregates, judges, reports.
exec "$ULLAGE_BIN" diagnose "$1" > "$OUT/report.txt"
