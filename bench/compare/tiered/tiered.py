#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tiered.py CONTENDER KIND [OPTION...]: one run of one case, by one contender; leaves its lines
`metric value unit` in $OUT/metrics. Options are the load generator's; HOT_MIB and COLD_MIB are the
two tiers' budgets."""

import os
import sys
import time

from servers import (OUT, WORK, Client, copied, free_port, halves, kept, load, redis, running,
                     ullage)

import hot_path
import http_door
import restart

HOT_MIB = int(os.environ.get("HOT_MIB", "1024"))
COLD_MIB = int(os.environ.get("COLD_MIB", "64"))


def option(options, name):
    return options[options.index(name) + 1]


def budget(options):
    port, total = free_port(), (HOT_MIB + COLD_MIB) << 20
    with running(ullage(port, OUT / "data", HOT_MIB, COLD_MIB), port) as server:
        try:
            lines = load(port, server.pid, "budget", *options, "--budget", total)
        except SystemExit:
            for section in "budget", "growth", "tiers":  # what it says of itself at that moment
                print(section, Client(port).info(section), file=sys.stderr)
            raise
        tiers = Client(port).info("tiers")
        peak = peak_mib(server.pid)
    hot_mib = int(tiers["hot_resident_bytes"]) / 2**20
    return lines + (f"kernel_peak_over_budget_percent {(peak * 2**20 / total - 1) * 100:.6g} %\n"
                    f"hot_mib {hot_mib:.6g} MiB\ncold_stalls {tiers['cold_stalls']} count\n")


def hot(options):
    """Reads of hot keys while the cold tier is in trouble; see hot.h and slow_disk.cpp."""
    port, word, data = free_port(), OUT / "word", OUT / "data"
    word.write_bytes(bytes(8))
    env = {"LD_PRELOAD": str(WORK / "slow_disk.so"), "SLOW_DISK_WORD": str(word),
           "SLOW_DISK_BELOW": str(data)}
    flags = ["--persistence.prefixes=cache:=off"]
    # Each on processors of its own: else it is the generator that waits while files are compacted.
    asks, answers = halves()
    with running(ullage(port, data, HOT_MIB, COLD_MIB, flags=flags), port, env,
                 cpus=answers) as server:
        return load(port, server.pid, "hot", *options, "--directory", data, "--disk", word,
                    cpus=asks)


def zipf_ours(options):
    def fill(folder):
        port = free_port()
        with running(ullage(port, folder / "data", HOT_MIB, COLD_MIB), port) as server:
            load(port, server.pid, "fill", "--keys", keys)
            come_to_rest(server.pid)

    keys, port = option(options, "--keys"), free_port()
    data = copied(kept(f"zipf-ours-{keys}", fill) / "data", "data")
    with running(ullage(port, data, HOT_MIB, COLD_MIB), port) as server:
        client = Client(port)
        before = client.info("tiers")
        lines = load(port, server.pid, "zipf", *options)
        after = client.info("tiers")
        requests = int(option(options, "--count")) + int(option(options, "--warm"))
        reads = int(after["cold_reads"]) - int(before["cold_reads"])
        return lines + (f"cold_reads_percent {100 * reads / requests:.6g} %\n"
                        f"server_peak_mib {peak_mib(server.pid):.6g} MiB\n")


def zipf_redis(options):
    def fill(folder):
        load(0, 0, "fill", "--rocksdb", folder / "data", "--keys", keys, program="rival")

    keys, port = option(options, "--keys"), free_port()
    data = copied(kept(f"zipf-rocksdb-{keys}", fill) / "data", "data")
    flags = ["--maxmemory", f"{HOT_MIB}mb", "--maxmemory-policy", "allkeys-lfu"]
    with running(redis(port, *flags), port) as server:
        lines = load(port, server.pid, "zipf", *options, "--rocksdb", data, "--cache",
                     COLD_MIB << 20, program="rival")
        return lines + f"server_peak_mib {peak_mib(server.pid):.6g} MiB\n"


def come_to_rest(pid):
    """Until files are compacted: as RocksDB's own contender is left after its fill."""
    quiet = 0
    while quiet < 3:
        before = cpu_seconds(pid)
        time.sleep(1)
        quiet = quiet + 1 if cpu_seconds(pid) - before < 0.05 else 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024


RUNS = {
    ("ours", "budget"): budget, ("ours", "hot"): hot,
    ("ours", "zipf"): zipf_ours, ("redis-rocksdb", "zipf"): zipf_redis,
    ("ours", "restart"): restart.ours, ("redis-rdb", "restart"): restart.redis_rdb,
    ("redis-aof", "restart"): restart.redis_aof,
    ("ours", "http"): http_door.ours, ("nginx", "http"): http_door.nginx,
    ("webdis", "http"): http_door.webdis,
    ("ours", "hot-path"): hot_path.ours,
}


def main():
    contender, kind, *options = sys.argv[1:]
    lines = RUNS[contender, kind](options)
    with open("metrics", "w", encoding="utf-8") as out:
        out.write(lines)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
