#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ullage serve`, end to end: its replies, its limits, its operation, real clients."""
import pathlib
import sys

import support

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import acknowledged  # noqa: E402
import backup  # noqa: E402
import crash  # noqa: E402
import differential  # noqa: E402
import documents  # noqa: E402
import expiry  # noqa: E402
import faults  # noqa: E402
import grants  # noqa: E402
import http_cold  # noqa: E402
import http_limits  # noqa: E402
import http_users  # noqa: E402
import keys_api  # noqa: E402
import large_values  # noqa: E402
import limits  # noqa: E402
import monitor  # noqa: E402
import live_page  # noqa: E402
import openapi  # noqa: E402
import operation  # noqa: E402
import persistence  # noqa: E402
import read_only  # noqa: E402
import real_clients  # noqa: E402
import scatter  # noqa: E402
import trouble  # noqa: E402
import wire  # noqa: E402


def test_replies_are_redis_s_byte_for_byte(folder):
    for threads in (1, 3):
        with wire.redis(folder) as redis, wire.store(f"--server.threads={threads}") as ours:
            found = []
            for name in differential.names():
                for resp in (2, 3):
                    found += differential.differences(name, resp, redis, ours)
            assert not found, f"{len(found)} replies differ with {threads} threads:\n" + "\n".join(found)


for module in (acknowledged, backup, crash, documents, expiry, faults, grants, limits, operation, persistence, keys_api, http_cold,
               http_limits, http_users, large_values, openapi, live_page, monitor, read_only, real_clients, scatter, trouble):
    globals().update({name: test for name, test in vars(module).items() if name.startswith("test_")})

if __name__ == "__main__":
    support.main(globals())
