#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From recording to findings: linking, symbols, ranking.
exec "$ULLAGE_BIN" diagnose "$OUT/recording.ulg" --json > "$OUT/findings.json"
