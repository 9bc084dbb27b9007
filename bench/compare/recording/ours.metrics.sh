#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every file that record left, and how many events diagnose found in them (if it says so).
cd "$OUT" || exit 1
echo "recording_bytes $(cat recording.ulg* | wc -c) B"
/usr/bin/python3 - findings.json <<'PY'
import json, sys
try:
    events = json.load(open(sys.argv[1], encoding="utf-8"))["process"]["events"]
    print("recorded_events", int(events), "count")
except (OSError, ValueError, KeyError, TypeError):
    pass
PY
