#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Its cheapest analysis: events in order, scheduling latencies by stack.
exec "$WORK/trace-tool" -pprof=sched "$1"
