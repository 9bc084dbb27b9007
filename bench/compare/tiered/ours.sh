#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build (or set it to another one's path)
exec /usr/bin/python3 -B "$TASK/tiered.py" ours "$@"
