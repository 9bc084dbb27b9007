#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build (or set it to another one's path)
# Defaults, as a user would type it: every event, with stacks, compressed in the background.
exec "$ULLAGE_BIN" record -o "$OUT/recording.ulg" -- "$@"
