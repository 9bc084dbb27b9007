#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage binary: make build, then ULLAGE_BIN=path/to/ullage bench/run.py recording
# Defaults, as a user would type it: every event, with stacks, compressed in the background.
exec "$ULLAGE_BIN" record -o "$OUT/recording.ulg" -- "$@"
