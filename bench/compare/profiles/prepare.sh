#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the input in $WORK; one that is newer than the generator is kept.
set -eu
[ "$WORK/heap.pb" -nt "$TASK/generate.py" ] ||
  /usr/bin/python3 "$TASK/generate.py" "$WORK/heap.pb"
