#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command heaptrack, package heaptrack
# version: heaptrack --version
# heaptrack at its cheapest while recording (--raw): nothing is interpreted until later, so the
# file is larger and must pass through heaptrack_interpret before anything can read it.
exec heaptrack --raw -o "$OUT/recording" "$@"
