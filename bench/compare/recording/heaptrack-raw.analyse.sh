#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The step that heaptrack prints at the end of a raw recording, then the same report.
zstd -dc < "$OUT/recording.raw.zst" | /usr/lib/heaptrack/libexec/heaptrack_interpret |
  zstd -c > "$OUT/interpreted.zst" || exit 1
exec heaptrack_print "$OUT/interpreted.zst" > "$OUT/report.txt"
