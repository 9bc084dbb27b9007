#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command redis-server, package redis-server
# version: redis-server --version
exec /usr/bin/python3 -B "$TASK/tiered.py" redis-rdb "$@"
