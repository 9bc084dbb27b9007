#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
echo "recording_bytes $(wc -c < "$OUT/recording.raw.zst") B"
