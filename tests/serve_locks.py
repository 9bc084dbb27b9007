#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The locks of `ullage serve`, end to end: users and what they may do, TLS, and how it runs as a service."""
import pathlib
import sys

import support

sys.path.insert(0, str(pathlib.Path(__file__).parent / "serve"))
import locks  # noqa: E402
import service  # noqa: E402
import systemd  # noqa: E402
import tls  # noqa: E402

for module in (locks, service, systemd, tls):
    globals().update({name: test for name, test in vars(module).items() if name.startswith("test_")})

if __name__ == "__main__":
    support.main(globals())
