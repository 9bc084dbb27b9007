#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`ullage record` of a JVM: the log of its collector and what jcmd tells, without a change of the program."""
import os
import shutil

import support

PROGRAM = """
import java.util.ArrayList;
public class Grows {
  static ArrayList<Object> kept;
  public static void main(String[] args) throws Exception {
    long end = System.nanoTime() + (long) (Double.parseDouble(args[0]) * 1e9);
    while (System.nanoTime() < end) {
      ArrayList<Object> list = new ArrayList<>();
      for (int i = 0; i < 300_000; i++) list.add(new byte[16]);
      kept = list;
    }
    System.out.println(kept.size());
    System.err.println("done");
    System.exit(5);
  }
}
"""


def compile_java(folder):
    if not shutil.which("javac") or not shutil.which("java"):
        raise support.Skip("no JDK is installed")
    (folder / "Grows.java").write_text(PROGRAM)
    done = support.run(["javac", "-d", folder, folder / "Grows.java"])
    assert done.returncode == 0, support.shown(done)
    return folder


def manifest(path):
    return (path / "manifest.txt").read_text().splitlines()


def test_a_jvm_is_recognised_and_logs_its_collections(folder):
    classes = compile_java(folder)
    # A jcmd takes seconds to start where there are few processors for many: then it needs a longer life.
    for seconds in ("4", "15", "60"):
        out = folder / f"run.{seconds}.incident"
        done = support.ullage("record", "-o", out, "--", "java", "-Xmx128m", "-cp", classes, "Grows", seconds, expect=5)
        if not shutil.which("jcmd") or (out / "threads.txt").exists():
            break
    assert done.stdout.strip() == "300000" and "done\n" in done.stderr, support.shown(done)
    logs = list(out.glob("gc.*.log"))
    assert len(logs) == 1 and "Pause" in logs[0].read_text(), manifest(out)
    assert "runtime JVM" in manifest(out)
    if shutil.which("jcmd"):
        assert (out / "histogram.1.txt").exists() and (out / "threads.txt").exists(), manifest(out)
        assert "java.lang" in (out / "histogram.1.txt").read_text()
    assert not list(out.glob(".*")), "half-written files were left behind"
    incident = support.diagnose(out)["incident"]
    assert incident["facts"]["runtime"] == "JVM" and incident["pause_kinds"], incident["facts"]


def test_options_of_the_user_stay(folder):
    classes, out = compile_java(folder), folder / "run.incident"
    env = dict(os.environ, JAVA_TOOL_OPTIONS="-Dullage.test=1")
    done = support.ullage("record", "-q", "-o", out, "--", "java", "-cp", classes, "Grows", "0.2", expect=5, env=env)
    assert "-Dullage.test=1 -Xlog:gc*" in done.stderr, support.shown(done)


if __name__ == "__main__":
    support.main(globals())
