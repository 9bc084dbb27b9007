#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the load generator.
set -eu
for source in load.cpp client.h histogram.h witness.h; do
  [ "$WORK/load" -nt "$TASK/$source" ] && continue
  g++ -std=c++20 -O2 -pthread "$TASK/load.cpp" -o "$WORK/load"
done
