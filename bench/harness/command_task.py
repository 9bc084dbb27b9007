# SPDX-License-Identifier: Apache-2.0
"""Command tasks: each contender is a script that is run as a whole process tree, once a case.

The script receives the case's command as its arguments and these variables:
  CASE   name of the case          WORK  what prepare.sh made (kept between runs)
  OUT    empty folder of this run  TASK  bench/compare/<task>
Its working directory is OUT. `<contender>.sh` gives cpu_s, wall_s and rss_mib;
`<contender>.<phase>.sh` runs after it in the same OUT and gives <phase>_cpu_s and so on;
`<contender>.metrics.sh` runs last, unmeasured, and prints lines `metric value unit`.
"""

import os
import shutil
import subprocess
from pathlib import Path

from . import measure
from .problem import Problem

METRICS = "metrics"


class CommandRunner:
    def __init__(self, task, work_dir):
        self.task = task
        self.work = Path(work_dir)
        self.runs = 0

    def prepare(self, say):
        """Makes the inputs (prepare.sh, which itself skips what is already there)."""
        self.work.mkdir(parents=True, exist_ok=True)
        script = self.task.directory / "prepare.sh"
        if script.exists():
            say(f"{self.task.name}: preparing the inputs")
            log = self.work / "prepare.log"
            with open(log, "wb") as file:
                code = subprocess.run([str(script)], cwd=self.work, env=self._env("", self.work),
                                      stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                      check=False).returncode
            if code != 0:
                raise Problem(f"{self.task.name}/prepare.sh ended with exit code {code}.\n"
                              f"{measure.tail(log)}")

    def facts(self, case):
        """What one run of the facts contender says about a case: {name: (value, unit)}."""
        if not self.task.facts:
            return {}
        contender = self.task.contenders[self.task.facts]
        return {k: v for k, v in self.measure(contender, case, phases=True).items()
                if not k.endswith(("cpu_s", "wall_s", "rss_mib"))}

    def measure(self, contender, case, phases=True):
        """One run: {metric: (value, unit)}."""
        self.runs += 1
        out = self.work / f"out-{os.getpid()}-{self.runs}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        try:
            return self._measure_in(out, contender, case, phases)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def _measure_in(self, out, contender, case, phases):
        options = self.task.cases[case]
        env = self._env(case, out)
        command = [self._expand(part, out) for part in options["command"]]
        driver = [self._expand(part, out) for part in options.get("driver", [])] or None
        env.update({k: self._expand(v, out) for k, v in options.get("env", {}).items()})
        log = self.work / "last-run.log"
        metrics = _usage_metrics("", measure.run_tree([str(contender.path)] + command, cwd=out,
                                                      env=env, log_path=log, driver=driver,
                                                      timeout_s=self.task.timeout_s))
        if not phases:
            return metrics
        for phase, script in contender.phases.items():
            if phase != METRICS:
                usage = measure.run_tree([str(script)] + command, cwd=out, env=env, log_path=log,
                                         timeout_s=self.task.timeout_s)
                metrics.update(_usage_metrics(phase + "_", usage))
        if METRICS in contender.phases:
            metrics.update(_reported(contender.phases[METRICS], command, out, env))
        return metrics

    def _env(self, case, out):
        env = dict(os.environ)
        env.update({"CASE": case, "OUT": str(out), "WORK": str(self.work),
                    "TASK": str(self.task.directory), "LC_ALL": "C.UTF-8"})
        env.pop("DEBUGINFOD_URLS", None)  # nobody's analysis may wait for the network
        return env

    def _expand(self, text, out):
        return (text.replace("${WORK}", str(self.work)).replace("${OUT}", str(out))
                .replace("${TASK}", str(self.task.directory)))


def _usage_metrics(prefix, usage):
    return {prefix + "cpu_s": (usage.cpu_s, "s"), prefix + "wall_s": (usage.wall_s, "s"),
            prefix + "rss_mib": (usage.rss_mib, "MiB")}


def _reported(script, command, out, env):
    result = subprocess.run([str(script)] + command, cwd=out, env=env, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Problem(f"{script.name} ended with exit code {result.returncode}.\n"
                      f"  | {result.stderr.strip()}")
    return parse_metric_lines(result.stdout, script.name)


def parse_metric_lines(text, where):
    """Lines `metric value unit` -> {metric: (value, unit)}."""
    metrics = {}
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        try:
            metric, value, unit = words
            metrics[metric] = (float(value), unit)
        except ValueError:
            raise Problem(f"{where}: printed {line!r}; expected 'metric value unit'.") from None
    return metrics
