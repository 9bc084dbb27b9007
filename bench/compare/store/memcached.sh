#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command memcached, package memcached
# version: memcached --version
exec /usr/bin/python3 "$TASK/serve.py" memcached "$@"
