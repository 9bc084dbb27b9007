#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Not a contender: counts the case's allocator calls once, for everybody's cost per event.
COUNT_FILE="$OUT/events" LD_PRELOAD="$WORK/libcount.so" exec "$@"
