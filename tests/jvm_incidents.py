#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Planted incidents of Java programs: each bad one is found first, its good twin is not accused of it.

The programs are examples/incidents/jvm/*.java. Their first lines say how to run them:

    // run: -Xmx64m -XX:+UseParallelGC       options of the JVM
    // expect: jvm-full-gc-loop              the detector that must speak first (bad ones)
    // dump: GC.class_histogram              jcmd's answer is what is diagnosed, taken at each "dump"
    // output: the trace                     what the program prints is what is diagnosed
    // jvm: 8                                for collectors that are gone: run by $JAVA_OLD, a java of 8 to 13

They are run with the JDK that is installed. Without one, the logs that stand beside them in captured/
are read: made by these programs, with UPDATE_CAPTURED=1 in the environment of this test.
"""
import gzip
import os
import pathlib
import re
import subprocess

import support

FOLDER = support.SRC / "examples/incidents/jvm"
CAPTURED = FOLDER / "captured"
NAMES = sorted(path.stem.removesuffix("Bad") for path in FOLDER.glob("*Bad.java"))
# Enough to see what happened, small enough to keep.
LEAN = "-Xlog:gc,gc+init,gc+heap,gc+ergo"
FULL = "-Xlog:gc*,safepoint"
BEFORE_9 = ["-XX:+PrintGCDetails", "-XX:+PrintGCTimeStamps"]


def directives(name):
    found = {"run": [], "expect": None, "dump": None, "output": None, "jvm": None}
    for line in (FOLDER / f"{name}.java").read_text().splitlines():
        match = re.match(r"// (run|expect|dump|output|jvm): (.*)", line)
        if match and match[1] == "run":
            found["run"] += match[2].split()
        elif match:
            found[match[1]] = match[2]
    return found


def compiled(folder):
    java, javac, jcmd = support.need("java", "javac", "jcmd")
    programs = sorted(FOLDER.glob("*.java"))
    old = [program for program in programs if directives(program.stem)["jvm"]]
    done = support.run([javac, "-d", folder, *[program for program in programs if program not in old]])
    if done.returncode == 0 and os.environ.get("JAVA_OLD"):
        done = support.run([javac, "--release", "8", "-d", folder, *old])
    if done.returncode != 0:
        raise support.Skip("this JDK does not compile the examples: " + done.stderr[-300:])
    return java, jcmd


def capture(java, jcmd, classes, name, log, logging):
    """Runs one program and leaves in `log` what is to be diagnosed; Skip where the JVM can't."""
    how = directives(name)
    if how["jvm"]:
        java = os.environ.get("JAVA_OLD")
        if not java:
            raise support.Skip("no Java of 8 to 13 in $JAVA_OLD")
    command = [java, *how["run"], "-XX:-UsePerfData", "-cp", str(classes), name]
    if how["dump"]:
        command.remove("-XX:-UsePerfData")
        dump(command, jcmd, how["dump"], log)
        return
    if how["jvm"] and 'version "1.8' in support.run([java, "-version"]).stderr:
        command[1:1] = [*BEFORE_9, f"-Xloggc:{log}"]
    elif not how["output"]:
        command.insert(1, f"{logging}:file={log.name}")
    done = support.run(command, cwd=log.parent)
    if "Unrecognized VM option" in done.stderr or "not supported" in done.stderr:
        raise support.Skip(f"this JVM lacks an option: {done.stderr[:200]}")
    if how["output"]:
        log.write_text(done.stderr)
    else:
        assert done.returncode == 0, support.shown(done)


def dump(command, jcmd, what, log):
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        try:
            for line in program.stdout:
                if line.strip() == "dump":
                    done = support.run([jcmd, program.pid, what])
                    assert done.returncode == 0, support.shown(done)
                    with log.open("a") as out:
                        out.write(done.stdout)
                    program.stdin.write("\n")
                    program.stdin.flush()
        finally:
            program.stdin.close()
    assert program.wait() == 0, f"{command} ended with {program.returncode}"


def kinds(log):
    report = support.diagnose(log)
    return [f for f in report["findings"] if f["detector"].startswith("jvm-")]


def check_bad(name, log):
    detector, _, place = directives(name)["expect"].partition(" at ")
    findings = kinds(log)
    assert findings, f"{name}: nothing was found in {log}"
    first = findings[0]
    assert first["detector"] == detector, f"{name}: {[f['detector'] for f in findings]}"
    assert first["evidence"] and first["remedy"] and first["check"], first
    if place:
        assert first["where"]["place"] == place, first["where"]
    else:
        assert first["where"]["file"].endswith(log.name), first["where"]
    if not place and not directives(name)["dump"]:
        assert first["cost"]["stall_ns"] > 0, first["cost"]


def check_good(name, log):
    if log.stat().st_size == 0:
        return  # nothing was printed: there is nothing to accuse it of
    bad = directives(name.removesuffix("Good") + "Bad")["expect"].partition(" at ")[0]
    accused = [f["detector"] for f in kinds(log) if f["severity"] != "note"]
    assert bad not in accused, f"{name} is accused of {accused}"


def test_every_bad_program_is_found_first_and_no_good_one_is_accused(folder):
    folder = pathlib.Path(folder)
    java, jcmd = compiled(folder / "classes")
    update = bool(os.environ.get("UPDATE_CAPTURED"))
    skipped = []
    for name in NAMES:
        for twin, check in ((name + "Bad", check_bad), (name + "Good", check_good)):
            log = folder / (twin + ".log")
            try:
                capture(java, jcmd, folder / "classes", twin, log, LEAN if update else FULL)
            except support.Skip as skip:
                skipped.append(f"{twin}: {skip}")
                continue
            check(twin, log)
            if update and log.stat().st_size > 0:
                CAPTURED.mkdir(exist_ok=True)
                (CAPTURED / log.name).write_text(log.read_text())
    for line in skipped:
        print(line)
    assert len(skipped) < 2 * len(NAMES), "not one of them could be run"


def test_the_captured_logs_say_the_same_without_a_jdk(folder):
    seen = 0
    for log in sorted(CAPTURED.glob("*.log")):
        (check_bad if log.stem.endswith("Bad") else check_good)(log.stem, log)
        seen += 1
    assert seen >= len(NAMES), f"{seen} captured logs of {len(NAMES)} programs"


CACHE = """
import java.util.HashMap;
import java.util.Map;
public class Cache {
  static class Session { byte[] state = new byte[4000]; }
  static Map<Integer, Session> sessions = new HashMap<>(200_000);
  static void open(int id) { sessions.put(id, new Session()); }
  static void dump() throws Exception { System.out.println("dump"); System.in.read(); }
  public static void main(String[] args) throws Exception {
    for (int id = 0; ; id++) {
      open(id);
      if (id == 2000 || id == 12000) dump();
    }
  }
}
"""


def test_a_log_two_histograms_threads_and_the_last_stack_are_one_finding(folder):
    java, javac, jcmd = support.need("java", "javac", "jcmd")
    (folder / "Cache.java").write_text(CACHE)
    assert support.run([javac, "-d", folder, folder / "Cache.java"]).returncode == 0
    given = [folder / name for name in ("gc.log", "1.histo", "2.histo", "threads", "out")]
    command = [java, "-Xmx64m", "-XX:+UseParallelGC", f"-Xlog:gc*:file={given[0]}", "-cp", str(folder), "Cache"]
    with open(given[4], "w") as err, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                      stderr=err, text=True) as program:
        for histogram in given[1:3]:
            assert program.stdout.readline().strip() == "dump"
            histogram.write_text(support.run([jcmd, program.pid, "GC.class_histogram"]).stdout)
            given[3].write_text(support.run([jcmd, program.pid, "Thread.print"]).stdout)
            program.stdin.write("\n")
            program.stdin.flush()
        program.stdin.close()
        assert program.wait() == 1, given[4].read_text()
    report = support.diagnose(*given)
    assert len(report["incident"]["artefacts"]) == 5, report["incident"]["artefacts"]
    found = [f for f in report["findings"] if f["severity"] != "note"]
    assert len(found) == 1, [(f["detector"], f["title"]) for f in found]
    assert found[0]["detector"] == "jvm-over-retention", found[0]
    assert {a["detector"] for a in found[0]["also"]} == {"jvm-full-gc-loop", "jvm-out-of-memory"}, found[0]["also"]
    line = 1 + CACHE.splitlines().index(next(row for row in CACHE.splitlines() if "void open" in row))
    in_session = 1 + CACHE.splitlines().index(next(row for row in CACHE.splitlines() if "class Session" in row))
    assert found[0]["where"]["place"] in (f"Cache.java:{line}", f"Cache.java:{in_session}"), found[0]["where"]
    assert found[0]["cost"]["stall_ns"] > 0 and found[0]["cost"]["wasted_bytes"] > 8 << 20, found[0]["cost"]


# Public logs, and own ones of JDK 17: what is found in each, the first one first.
PUBLIC = {
    "own-arraylist.UseG1GC": ["jvm-humongous-growth"],
    "own-arraylistpre.UseG1GC": [],
    "own-hashmap.UseG1GC": ["jvm-humongous-growth"],
    "own-humongous.UseG1GC": ["jvm-humongous-churn"],
    "own-leak.UseG1GC": ["jvm-full-gc-loop"],
    "own-nest.def": [],
    "preunified-cms-713_gc": [],
    "preunified-cms-815_gc": ["jvm-full-gc-loop"],
    "preunified-cms-parnew-details-gc.RAC7": [],
    "preunified-g1gc-details-g1.details.cause": ["jvm-full-gc-loop", "jvm-explicit-gc"],
    "preunified-g1gc-details-tenuring-180-g1gc": [],
    "preunified-ps-details-gccause-170-psyoung": ["jvm-explicit-gc"],
    "preunified-ps-details-memoryleak2": ["jvm-explicit-gc"],
    "preunified-serial-defnew-details-tenuring-180-serial180": ["jvm-explicit-gc"],
    "streaming-gcspike": ["jvm-evacuation-failure"],
    "unified-cms-gc_trace": ["jvm-concurrent-mode-failure"],
    "unified-g1gc-jvm-gc-10Nov2022": [],
    "unified-serial-factorization-serialgc-tip": ["jvm-explicit-gc"],
}


def test_public_logs_are_told_for_what_they_are(folder):
    shared = pathlib.Path(os.environ.get("ULLAGE_SHARED_DATA", support.SRC.parent / "shared/data"))
    if not (shared / "jvm-logs").is_dir():
        raise support.Skip(f"the public logs are not in {shared}")
    for name, expected in PUBLIC.items():
        log = pathlib.Path(folder) / f"{name}.log"
        log.write_bytes(gzip.decompress((shared / "jvm-logs" / f"{name}.log.gz").read_bytes()))
        assert [f["detector"] for f in kinds(log)] == expected, name


if __name__ == "__main__":
    support.main(globals())
