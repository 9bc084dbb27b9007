#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command go, package golang-go
# version: go version
# Its cheapest report: flat and cumulative values by function, nothing to symbolise.
exec go tool pprof -symbolize=none -top "$1" > "$OUT/top.txt"
