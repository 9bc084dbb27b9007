# SPDX-License-Identifier: Apache-2.0
"""Clients that people use, against `ullage serve`."""
import pathlib
import re
import subprocess
import sys

import support
import wire

HERE = pathlib.Path(__file__).parent / "clients"
# What is installed into the build folder, once; pinned, so that a test means the same next year. The
# newest ask for Node 20; Debian 12 has 18.
NODE_PACKAGES = {20: ["ioredis@6.0.0", "redis@6.3.1"], 18: ["ioredis@5.8.2", "redis@5.8.3"]}
THREADS = ("--server.threads=1", "--server.threads=2")


def test_redis_cli_talks_to_it(_folder):
    cli, = support.need("redis-cli")
    for threads in THREADS:
        with wire.store(threads) as server:
            def ask(*words, **options):
                return support.run([cli, "-p", server.port, *words], **options).stdout

            assert ask("SET", "k", "v") == "OK\n"
            assert ask("-3", "CONFIG", "GET", "databases").split() == ["databases", "16"]
            assert "keys=1" in ask("INFO", "keyspace")
            piped = subprocess.run([cli, "-p", str(server.port), "--pipe"], text=True, capture_output=True,
                                   input="".join(f"SET p{i} {i}\r\n" for i in range(5000)), check=True)
            assert "errors: 0, replies: 5000" in piped.stdout, piped.stdout
            assert ask("DBSIZE") == "5001\n"
            assert len(ask("--scan", "--pattern", "p*").split()) == 5000
            assert "Biggest string" in ask("--bigkeys")
            typed = subprocess.run([cli, "-p", str(server.port)], text=True, capture_output=True, check=True,
                                   input="GET k\nHELP GET\n")
            assert typed.stdout.startswith('"v"') or typed.stdout.startswith("v"), typed.stdout


def test_redis_benchmark_runs_its_tests(_folder):
    benchmark, = support.need("redis-benchmark")
    for threads in THREADS:
        with wire.store(threads) as server, server.client() as client:
            for options in (["-P", "1"], ["-P", "16"], ["-P", "16", "-3"]):
                done = support.run([benchmark, "-p", server.port, "-t", "ping,set,get,incr,mset", "-n", "5000",
                                    "-r", "100000", "-q", *options])
                assert done.returncode == 0 and "rror" not in done.stdout + done.stderr, support.shown(done)
                assert len(re.findall("requests per second", done.stdout)) == 6, support.shown(done)
            assert int(client.ask("GET", "counter:__rand_int__") or 0) == 0
            assert client.ask("DBSIZE") > 5000


PYTHON_CLIENT = """
import sys, threading
import redis
r = redis.Redis(port=int(sys.argv[1]))
assert r.set("k", b"\\x00\\xff", ex=100) and r.get("k") == b"\\x00\\xff" and r.ttl("k") > 90
assert r.mget("k", "absent") == [b"\\x00\\xff", None]
with r.pipeline() as pipe:                       # MULTI and EXEC
    for i in range(1000):
        pipe.set(f"p{i}", i)
    assert pipe.execute() == [True] * 1000
assert sorted(r.scan_iter("p99*")) == sorted([b"p99"] + [b"p99%d" % i for i in range(10)])

def add(times):                                  # optimistic locking, several at once
    own = redis.Redis(port=int(sys.argv[1]))
    for _ in range(times):
        def step(pipe):
            value = int(pipe.get("sum") or 0)
            pipe.multi()
            pipe.set("sum", value + 1)
        own.transaction(step, "sum")

threads = [threading.Thread(target=add, args=(50,)) for _ in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
assert r.get("sum") == b"200", r.get("sum")

channel = r.pubsub()
channel.psubscribe("n*")
assert channel.get_message(timeout=5)["type"] == "psubscribe"
assert r.publish("news", "hello") == 1
message = channel.get_message(timeout=5)
assert (message["type"], message["channel"], message["data"]) == ("pmessage", b"news", b"hello"), message
info = r.info()
assert info["redis_version"] and info["db0"]["keys"] >= 1000 and info["used_memory"] > 0, info
assert r.info("commandstats")["cmdstat_set"]["calls"] >= 1000
assert r.client_list()[0]["id"] and r.config_get("maxmemory") and r.memory_usage("k") > 0
assert r.slowlog_get() == [] or r.slowlog_get()[0]["id"] >= 0
assert r.command()["get"]["arity"] == 2 and r.object("encoding", "sum") == b"int"
try:
    r.incr("k")
    raise SystemExit("INCR of bytes succeeded")
except redis.ResponseError as problem:
    assert "not an integer" in str(problem)
"""


def run_python_redis(folder, program, needs="redis", settings=THREADS):
    """Runs a program over python3-redis, as `client.py PORT`, against a server of each setting."""
    python = next((p for p in (sys.executable, "/usr/bin/python3")
                   if support.run([p, "-c", f"import {needs}"]).returncode == 0), None)
    if python is None:
        raise support.Skip("python3-redis is not installed")
    script = folder / "client.py"
    script.write_text(program)
    for setting in settings:
        with wire.store(setting) as server:
            done = support.run([python, script, server.port])
            assert done.returncode == 0, support.shown(done)


def test_python_redis_works(folder):
    run_python_redis(folder, PYTHON_CLIENT)


def test_a_c_program_with_hiredis_works(folder):
    compiler, = support.need("gcc")
    if not pathlib.Path("/usr/include/hiredis/hiredis.h").exists():
        raise support.Skip("libhiredis-dev is not installed")
    program = folder / "client"
    done = support.run([compiler, "-Wall", "-o", program, HERE / "hiredis_client.c", "-lhiredis"])
    assert done.returncode == 0, support.shown(done)
    for threads in THREADS:
        with wire.store(threads) as server:
            done = support.run([program, server.port])
            assert done.returncode == 0, support.shown(done)


def node_modules():
    """ioredis and node-redis, in the build folder."""
    npm, node = support.need("npm", "node")
    major = int(support.run([node, "--version"]).stdout.strip().lstrip("v").split(".")[0])
    fitting = [needed for needed in NODE_PACKAGES if needed <= major]
    if not fitting:
        raise support.Skip(f"node is version {major}; the clients need {min(NODE_PACKAGES)}")
    packages = NODE_PACKAGES[max(fitting)]
    where = support.BUILD / "node" / str(max(fitting))
    stamp = where / "-".join(p.replace("@", "_") for p in packages)
    if not stamp.exists():
        where.mkdir(parents=True, exist_ok=True)
        done = support.run([npm, "install", "--prefix", where, "--no-audit", "--no-fund", "--no-save",
                            "--ignore-scripts", *packages], cwd=where)
        if done.returncode != 0:
            raise support.Skip("npm can't install " + " ".join(packages) + ": " +
                               (done.stderr.strip().splitlines() or ["no reason given"])[-1])
        stamp.touch()
    return node, where / "node_modules"


def run_node(script):
    node, modules = node_modules()
    for threads in THREADS:
        with wire.store(threads) as server:
            done = support.run([node, HERE / script, server.port],
                               env={**support.os.environ, "NODE_PATH": str(modules)})
            assert done.returncode == 0, support.shown(done)


def test_ioredis_works(_folder):
    run_node("ioredis.js")


def test_node_redis_works_and_its_cache_is_invalidated(_folder):
    run_node("node_redis.js")


def test_node_redis_s_json_works(_folder):
    run_node("node_redis_json.js")
