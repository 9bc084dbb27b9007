#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh SECONDS: runs every fuzz target of the fuzz preset for that long, one after the other, from
# the corpus in fuzz/TARGET. New inputs stay in build/fuzz/corpus; a crash stops with its input's path.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1
found=0
for target in build/fuzz/fuzz/*_fuzz; do
  [ -x "$target" ] || continue
  found=$((found + 1))
  name=$(basename "$target")
  grown="build/fuzz/corpus/$name"
  mkdir -p "$grown" build/fuzz/crashes
  seeds=()
  [ -d "fuzz/$name" ] && seeds=("fuzz/$name")
  echo "fuzz: $name for $seconds s"
  if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
    -verbosity=1 -artifact_prefix="build/fuzz/crashes/$name-" "$grown" "${seeds[@]}" \
    >"build/fuzz/$name.log" 2>&1; then
    sed -n '/ERROR\|runtime error\|SUMMARY/,$p' "build/fuzz/$name.log" | head -60 >&2
    echo "fuzz: $name crashed; its input is in build/fuzz/crashes/, all of its output in build/fuzz/$name.log" >&2
    exit 1
  fi
  tail -1 "build/fuzz/$name.log"
done
echo "fuzz: $found targets, no crash"
