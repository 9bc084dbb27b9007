# SPDX-License-Identifier: Apache-2.0
"""Reads bench/compare/<task>/: what is compared, by whom, and what it must show.

A contender is one file: `<name>.sh` (command task) or `<name>.h` (in-process task). Its first
comment lines may say what it needs, so that adding a contender edits nothing else:

  # needs: command heaptrack, package heaptrack      a program on PATH (or a path)
  # needs: header absl/types.h, package libabsl-dev  a header the compiler finds
  # needs: env ULLAGE_BIN, the ullage binary: make build && ULLAGE_BIN=... make bench
  # flags: -labsl_hash                               compiler flags (in-process only)
  # version: heaptrack --version                     stored with the results
"""

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .measure import RUN_TIMEOUT_S
from .problem import Problem

KINDS = ("command", "in-process")
HEADER_LINE = re.compile(r"^(?:#|//)\s*(needs|flags|version):\s*(.+?)\s*$")
NEED = re.compile(r"^(command|header|file|env)\s+([^\s,]+)\s*,\s*(.+)$")
HEADER_DIRS = ("/usr/include", "/usr/local/include", "/usr/include/x86_64-linux-gnu",
               "/usr/include/aarch64-linux-gnu")
# A contender's header lines stand within its first lines; the rest of the file is its own.
HEADER_LINES_MAX = 40
TASK_KEYS = {"kind", "title", "about", "ours", "baseline", "null", "facts", "cases", "derived", "units",
             "higher_is_better", "rows", "flags", "needs", "phase_rounds", "variants",
             "quick", "apart", "timeout_s"}
CASE_KEYS = {"command", "driver", "contenders", "env", "about", "null"}


@dataclass(frozen=True)
class Contender:
    name: str
    path: Path
    needs: tuple = ()
    flags: tuple = ()
    version: str = ""
    phases: dict = field(default_factory=dict)  # name of a later phase -> script


@dataclass(frozen=True)
class Target:
    metric: str
    case: str
    op: str
    limit: float
    why: str
    is_ratio: bool
    rival: str = "best"  # a contender, or the one with the best median
    rival_case: str = ""  # the case on the other side; empty: the same case

    def shown(self):
        against = f" of {self.rival_case}" if self.rival_case else ""
        if self.is_ratio and self.rival != "best":
            against = f" {self.rival}"
        return f"{self.op} {self.limit:g}{'x' if self.is_ratio else ''}{against}"


@dataclass
class Task:
    name: str
    directory: Path
    kind: str
    title: str
    ours: str
    baseline: str
    null: str
    facts: str
    cases: dict
    derived: dict
    units: dict
    higher_is_better: frozenset
    rows: list
    flags: list
    needs: list
    phase_rounds: int
    contenders: dict
    targets: list
    variants: frozenset = frozenset()  # ours in other settings: measured and shown, no rivals
    quick: tuple = ()  # the cases of `--quick`
    apart: bool = False  # in-process: a program for each contender
    timeout_s: float = RUN_TIMEOUT_S  # of one run of one contender

    def rivals(self):
        others = {self.ours, self.baseline, self.facts} | self.variants
        return [n for n in self.contenders if n not in others]


def task_names(compare_dir):
    return sorted(p.parent.name for p in Path(compare_dir).glob("*/task.json"))


def load(compare_dir, name):
    directory = Path(compare_dir) / name
    if not (directory / "task.json").is_file():
        known = ", ".join(task_names(compare_dir)) or "(none)"
        raise Problem(f"There is no task {name!r} in bench/compare. Known tasks: {known}.")
    text = _json(directory / "task.json")
    _only(text, TASK_KEYS, f"{name}/task.json")
    kind = text.get("kind")
    if kind not in KINDS:
        raise Problem(f"{name}/task.json: kind is {kind!r}; expected one of {', '.join(KINDS)}.")
    for case, options in text.get("cases", {}).items():
        _only(options, CASE_KEYS, f"{name}/task.json, case {case}")
    if not text.get("cases"):
        raise Problem(f"{name}/task.json: has no cases. Add at least one under \"cases\".")
    contenders = _contenders(directory, ".sh" if kind == "command" else ".h")
    task = Task(
        name=name, directory=directory, kind=kind, title=text.get("title", name),
        ours=text.get("ours", "ours"), baseline=text.get("baseline", ""),
        null=text.get("null", text.get("ours", "ours")), facts=text.get("facts", ""),
        cases=text["cases"], derived=text.get("derived", {}), units=text.get("units", {}),
        higher_is_better=frozenset(text.get("higher_is_better", ())), rows=text.get("rows", []),
        flags=text.get("flags", []), needs=[_need(n, f"{name}/task.json") for n in text.get("needs", [])],
        phase_rounds=text.get("phase_rounds", 0), contenders=contenders, targets=[],
        variants=frozenset(text.get("variants", ())), quick=tuple(text.get("quick", ())),
        apart=bool(text.get("apart", False)), timeout_s=_timeout(text, name))
    roles = [(role, getattr(task, role)) for role in ("ours", "baseline", "facts", "null")]
    for role, value in roles + [("variants", name) for name in sorted(task.variants)]:
        if value and value not in contenders:
            raise Problem(f"{name}/task.json: {role} is {value!r}, but there is no such contender "
                          f"in bench/compare/{name}. It has: {', '.join(contenders) or '(none)'}.")
    task.targets = _targets(directory, task)
    return task


def _timeout(text, name):
    seconds = text.get("timeout_s", RUN_TIMEOUT_S)
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds <= 0:
        raise Problem(f"{name}/task.json: timeout_s is {seconds!r}; expected a number of seconds above 0.")
    return seconds


def missing(needs, lookup_env=None):
    """One sentence for each need that is not met, with what to do."""
    env = os.environ if lookup_env is None else lookup_env
    sentences = []
    for kind, what, hint in needs:
        if kind == "command" and shutil.which(what) is None:
            sentences.append(f"the program {what} is missing: {_install(hint)}")
        elif kind == "file" and not os.path.exists(what):
            sentences.append(f"{what} is missing: {_install(hint)}")
        elif kind == "header" and not any(os.path.exists(os.path.join(d, what)) for d in HEADER_DIRS):
            sentences.append(f"the header <{what}> is missing: {_install(hint)}")
        elif kind == "env" and not env.get(what):
            sentences.append(f"the variable {what} is not set: {hint}")
    return sentences


def _install(hint):
    return f"apt-get install {hint[len('package '):]}" if hint.startswith("package ") else hint


def _json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except json.JSONDecodeError as error:
        raise Problem(f"{path.parent.name}/{path.name}:{error.lineno}: not JSON: "
                      f"{error.msg}.") from None


def _only(mapping, known, where):
    unknown = set(mapping) - known
    if unknown:
        raise Problem(f"{where}: unknown key {sorted(unknown)[0]!r}. "
                      f"Known: {', '.join(sorted(known))}.")


def _contenders(directory, suffix):
    contenders = {}
    for path in sorted(directory.glob("*" + suffix)):
        parts = path.name[: -len(suffix)].split(".")
        if parts[0] in ("prepare", "task") or len(parts) > 2:
            continue
        if len(parts) == 1:
            contenders[parts[0]] = path
    phases = {name: {} for name in contenders}
    for path in sorted(directory.glob("*.*" + suffix)):
        name, phase = path.name[: -len(suffix)].split(".")[:2]
        if name in phases:
            phases[name][phase] = path
    return {name: _contender(name, path, phases[name]) for name, path in contenders.items()}


def _contender(name, path, phases):
    needs, flags, version = [], [], ""
    with open(path, encoding="utf-8") as file:
        for line, _ in zip(file, range(HEADER_LINES_MAX)):
            match = HEADER_LINE.match(line)
            if not match:
                continue
            key, value = match.groups()
            if key == "needs":
                needs.append(_need(value, path.name))
            elif key == "flags":
                flags += value.split()
            else:
                version = value
    return Contender(name, path, tuple(needs), tuple(flags), version, phases)


def _need(text, where):
    match = NEED.match(text)
    if not match:
        raise Problem(f"{where}: cannot read 'needs: {text}'. Expected: needs: "
                      "command|header|file|env NAME, package PACKAGE (or what to do).")
    return match.groups()


def _targets(directory, task):
    path = directory / "targets.json"
    if not path.is_file():
        raise Problem(f"{task.name}: targets.json is missing. A task without a target is a demo; "
                      "an empty list [] is allowed.")
    targets = []
    for number, text in enumerate(_json(path), 1):
        where = f"{task.name}/targets.json, target {number}"
        _only(text, {"metric", "case", "op", "ratio", "value", "rival", "rival_case", "why"}, where)
        absent = [k for k in ("metric", "case", "op", "why") if not text.get(k)]
        if absent or ("ratio" in text) == ("value" in text):
            raise Problem(f"{where}: needs metric, case, op, why, and exactly one of ratio and "
                          "value.")
        if text["op"] not in ("<=", ">="):
            raise Problem(f"{where}: op is {text['op']!r}; expected <= or >=.")
        for key in ("case", "rival_case"):
            if text.get(key) and text[key] not in task.cases:
                raise Problem(f"{where}: there is no case {text[key]!r}. "
                              f"Cases: {', '.join(task.cases)}.")
        rival = text.get("rival", "best")
        if rival != "best" and rival not in task.contenders:
            raise Problem(f"{where}: there is no contender {rival!r}. "
                          f"Contenders: {', '.join(task.contenders)}.")
        is_ratio = "ratio" in text
        targets.append(Target(text["metric"], text["case"], text["op"],
                              float(text["ratio"] if is_ratio else text["value"]), text["why"],
                              is_ratio, rival, text.get("rival_case", "")))
    return targets
