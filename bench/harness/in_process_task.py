# SPDX-License-Identifier: Apache-2.0
"""In-process tasks: task.h and one <contender>.h each, compiled into one program.

The program (bench/compare/driver.h) prints `contender case metric value unit` lines. It is started
once per contender, case and round, so that contenders interleave and none inherits the heap that
another one left; cpu_s, wall_s and rss_mib of that process stand beside what it prints. With "apart"
in task.json each contender is a program of its own, so that nobody's inlining depends on who is
compiled beside them (it moved absl's lookups from 32 to 55 instructions).
"""

import os
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import measure
from .problem import Problem

OPTIMIZED = ["-std=c++20", "-O2", "-DNDEBUG", "-g1", "-pthread"]


class InProcessRunner:
    def __init__(self, task, work_dir, root, contenders):
        self.task = task
        self.work = Path(work_dir)
        self.root = Path(root)
        self.contenders = contenders

    def prepare(self, say):
        """Writes the main.cpp files from the list of contenders and compiles them."""
        self.work.mkdir(parents=True, exist_ok=True)
        groups = ([[c] for c in self.contenders] if self.task.apart else [self.contenders])
        say(f"{self.task.name}: compiling {len(self.contenders)} contenders into "
            f"{len(groups)} program{'s' if len(groups) > 1 else ''}")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._compile, groups))

    def _compile(self, contenders):
        program = self._program(contenders[0])
        source = program.with_suffix(".cpp")
        source.write_text(self._main(contenders), encoding="utf-8")
        compiler = shlex.split(os.environ.get("CXX", "g++"))
        flags = [f.replace("${ROOT}", str(self.root))
                 .replace("${BUILD}", os.environ.get("BUILD_DIR", str(self.root / "build")))
                 for f in self.task.flags + [f for c in contenders for f in c.flags]]
        command = compiler + OPTIMIZED + [
            f"-I{self.task.directory}", f"-I{self.task.directory.parent}",
            f"-I{self.root / 'include'}", f"-I{self.root / 'src'}", str(source), "-o",
            str(program)] + flags
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            errors = [line for line in result.stderr.splitlines() if "error" in line][:5]
            raise Problem(f"{self.task.name} does not compile with {compiler[0]}:\n" +
                          "\n".join("  | " + line for line in errors))

    def _program(self, contender):
        return self.work / (f"program-{contender.name}" if self.task.apart else "program")

    def facts(self, case):
        return {}

    def measure(self, contender, case, phases=True):
        log = self.work / "last-run.log"
        program = str(self._program(contender))
        usage = measure.run_tree([program, contender.name, case], cwd=self.work,
                                 env={**os.environ, **self.task.cases[case].get("env", {})},
                                 log_path=log, timeout_s=self.task.timeout_s)
        metrics = {"cpu_s": (usage.cpu_s, "s"), "wall_s": (usage.wall_s, "s"),
                   "rss_mib": (usage.rss_mib, "MiB")}
        metrics.update(_parse(log.read_text(encoding="utf-8"), contender.name, case))
        return metrics

    @staticmethod
    def _main(contenders):
        includes = "".join(f'#include "{c.path.name}"\n' for c in contenders)
        entries = ",\n      ".join(f'bench::contender<Task, {c.name}>("{c.name}")'
                                   for c in contenders)
        return ('// Written by bench/run.py.\n#include "driver.h"\n#include "task.h"\n' + includes +
                "int main(int argc, char** argv) {\n  return bench::drive(argc, argv, {\n      " +
                entries + "});\n}\n")


def _parse(text, contender, case):
    metrics = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) != 5 or words[:2] != [contender, case]:
            raise Problem(f"the program printed {line!r}; expected "
                          f"'{contender} {case} metric value unit'.")
        metrics[words[2]] = (float(words[3]), words[4])
    return metrics
