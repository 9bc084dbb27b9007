#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh: what `make run` does once everything is built. Records a real program, prints the findings
# and says where the report is. CMD in the environment names another program to record.
set -euo pipefail
cd "$(dirname "$0")/.."
ullage=build/release/bin/ullage
out=build/run
mkdir -p "$out"
# The name of the program is the name of the recording.
CMD=${CMD:-'sqlite3 :memory: ".read examples/sqlite/workload.sql"'}
eval "command=($CMD)"  # words and quotes as the shell reads them
name=$(basename "${command[0]}")
echo
echo "\$ ullage record -o $out/$name.ulg -- $CMD"
rm -f "$out/$name".ulg* "$out/$name.html"
status=0
"$ullage" record -o "$out/$name.ulg" -- "${command[@]}" || status=$?
if [ ! -s "$out/$name.ulg" ]; then
  echo "make run: nothing was recorded (exit code $status)" >&2
  exit 1
fi
[ "$status" -eq 0 ] || echo "(the program ended with exit code $status)"
echo
echo "\$ ullage diagnose $out/$name.ulg --html=$out/$name.html"
"$ullage" diagnose "$out/$name.ulg" --html="$out/$name.html"
echo
echo "HTML report: $PWD/$out/$name.html"
