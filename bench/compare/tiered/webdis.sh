#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command webdis, package webdis
# needs: command redis-server, package redis-server
# needs: command wrk, package wrk
# version: dpkg-query -W -f=webdis-${Version} webdis
exec /usr/bin/python3 -B "$TASK/tiered.py" webdis "$@"
