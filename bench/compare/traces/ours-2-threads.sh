#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build
exec "$WORK/facts" --threads 2 --quiet "$1"
