#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: env ULLAGE_BIN, the ullage program: make build
# The fast scan, and then the strict reader, and both compared: what --verify does.
exec "$WORK/facts" --threads 1 --verify --quiet "$1"
