#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# needs: command valkey-server, package valkey-server (bookworm-backports)
# version: valkey-server --version
exec /usr/bin/python3 "$TASK/serve.py" valkey "$@"
