#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command nginx, package nginx-light
# needs: command wrk, package wrk
# version: dpkg-query -W -f=nginx-${Version} nginx-light
exec /usr/bin/python3 -B "$TASK/tiered.py" nginx "$@"
