#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Raw decoding: bytes by type of event, nothing in order.
exec "$WORK/trace-tool" -d=footprint "$1"
