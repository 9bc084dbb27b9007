#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the load generators and what slows the disk down. Data to begin with is made by the first
# run that needs it (servers.py, `kept`).
set -eu
newer() {  # newer PROGRAM: no source has changed since
  [ -e "$WORK/$1" ] && [ -z "$(find "$TASK" "$TASK/../store" -name '*.h' -newer "$WORK/$1")" ] &&
    [ -z "$(find "$TASK" -name '*.cpp' -newer "$WORK/$1")" ]
}
flags="-std=c++20 -O2 -pthread"
newer load || g++ $flags "$TASK/load.cpp" -o "$WORK/load"
newer rival || g++ $flags "$TASK/rival.cpp" -o "$WORK/rival" -lrocksdb
newer slow_disk.so || g++ $flags -fPIC -shared "$TASK/slow_disk.cpp" -o "$WORK/slow_disk.so"
