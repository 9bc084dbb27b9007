# SPDX-License-Identifier: Apache-2.0
"""bench/results/<task>.json: what was measured, on what, by which command. Version 1.

{
  "version": 1, "task", "title", "kind",
  "commit", "command", "date", "seconds", "rounds",
  "machine": {cpu, cores, memory_gib, kernel, distro, compiler, load_1m},
  "contenders": {name: {"version": text}}, "null_control": label,
  "units": {metric: unit}, "facts": {case: {name: value}},
  "runs": {case: {commit, command, date, seconds, rounds, machine}},   after --merge: who measured it
  "raw": [{case: {label: {metric: value}}}],     one entry a round; "name*" is the null control
  "rows": [{case, metric, unit, ours, rival, rival_value, ratio, null, target, met, why}]
}

Rows are derived from raw: `bench/run.py` without a task judges raw anew by today's targets.
"""

import json
from pathlib import Path

from .problem import Problem

VERSION = 1


def store(path, result):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def load(path):
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise Problem(f"{Path(path).name}:{error.lineno}: not JSON: {error.msg}. "
                      "Measure the task again.") from None
    if result.get("version") != VERSION:
        raise Problem(f"{Path(path).name}: has version {result.get('version')}, this harness reads "
                      f"{VERSION}. Measure the task again: bench/run.py {Path(path).stem}")
    return result


# What a run has for all of its cases; after a merge each case has its own.
RUN = ("commit", "command", "date", "seconds", "rounds", "machine")


def merged(old, new):
    """The old result with the cases of the new one in place of its own, each whole: rows of one
    case are of one run, so that ratios pair rounds of the same minutes."""
    if old is None:
        return new
    fresh = {case for r in new["raw"] for case in r}
    raw = []
    for i in range(max(len(old["raw"]), len(new["raw"]))):
        kept = old["raw"][i] if i < len(old["raw"]) else {}
        raw.append({case: by for case, by in kept.items() if case not in fresh} |
                   (new["raw"][i] if i < len(new["raw"]) else {}))
    raw = [r for r in raw if r]
    runs = {case: by_run(old, case) for r in old["raw"] for case in r if case not in fresh}
    runs |= {case: by_run(new, case) for case in fresh}
    return {**new, "rounds": len(raw), "contenders": old["contenders"] | new["contenders"],
            "units": old["units"] | new["units"], "facts": old["facts"] | new["facts"],
            "raw": raw, "runs": runs}


def by_run(result, case):
    return result.get("runs", {}).get(case) or {key: result[key] for key in RUN}


def rounded(value):
    """Six significant digits: more than a clock gives, and files that can be read. Counts stay."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return value
