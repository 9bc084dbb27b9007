#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command heaptrack, package heaptrack
# version: heaptrack --version
# heaptrack as it comes: the script starts an interpreter that resolves addresses and folds the
# stream while the program runs, and zstd behind it. Its file opens in heaptrack_print at once.
exec heaptrack -o "$OUT/recording" "$@"
