#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The text report with heaptrack_print's defaults.
exec heaptrack_print "$OUT/recording.zst" > "$OUT/report.txt"
