#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Ullage with its rivals: bench/run.py [TASK]. See bench/README.md."""

import argparse
import os
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from harness import judge, machine, results, rounds, table, task as tasks  # noqa: E402
from harness.command_task import CommandRunner  # noqa: E402
from harness.in_process_task import InProcessRunner  # noqa: E402
from harness.problem import Problem  # noqa: E402

EXIT_TARGET_MISSED = 1
EXIT_PROBLEM = 2
DEFAULT_ROUNDS = 5
# Where `make build` leaves the program that a task records with, unless $ULLAGE_BIN names another.
BUILT_PROGRAM = ROOT / "build" / "release" / "bin" / "ullage"
# More rounds than this is a typing error, not a wish.
ROUNDS_MAX = 1000

EPILOG = """examples:
  bench/run.py                          the table of all tasks, from bench/results/
  bench/run.py append                   measure one task and store it
  ULLAGE_BIN=/opt/ullage/bin/ullage bench/run.py recording --case sqlite3
  bench/run.py recording --only bare,heaptrack --rounds 3 --all

A run of some cases or some contenders only is printed but not stored (see --out).
exit codes: 0 measured, 1 a target was missed (only with --check), 2 something is missing or failed
"""


def main(argv):
    options = arguments(argv)
    if BUILT_PROGRAM.exists():
        os.environ.setdefault("ULLAGE_BIN", str(BUILT_PROGRAM))
    compare = Path(options.compare_dir)
    stored = Path(options.results_dir)
    if options.list:
        return list_tasks(compare, stored)
    if options.task is None:
        return show_all(compare, stored, options)
    return measure_task(compare, stored, options, argv)


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="bench/run.py", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs a comparison task: contenders interleaved over several rounds, with a "
                    "null control. Without a task: the table of all stored results.")
    parser.add_argument("task", nargs="?", help="a folder of bench/compare (see --list)")
    parser.add_argument("--list", action="store_true", help="the tasks, their cases and contenders")
    parser.add_argument("--case", action="append", default=[], help="only this case (repeatable)")
    parser.add_argument("--quick", action="store_true",
                        help="only the task's quick cases: to see that everything works")
    parser.add_argument("--only", metavar="A,B", help="only these contenders")
    parser.add_argument("--rounds", type=int, default=None,
                        help=f"how often to repeat (default: $ROUNDS or {DEFAULT_ROUNDS})")
    parser.add_argument("--all", action="store_true", help="also print every contender's medians")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    parser.add_argument("--out", metavar="FILE", help="store here instead of bench/results/")
    parser.add_argument("--merge", action="store_true", help="store the cases that ran, each whole, "
                        "in place of theirs; others keep their rows, commit and date")
    parser.add_argument("--work", metavar="DIR", help="where inputs and programs are built "
                        "(default: $BENCH_WORK or build/bench)")
    parser.add_argument("--compare-dir", default=str(ROOT / "bench" / "compare"),
                        help=argparse.SUPPRESS)
    parser.add_argument("--results-dir", default=str(ROOT / "bench" / "results"),
                        help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def list_tasks(compare, stored):
    for name in tasks.task_names(compare):
        task = tasks.load(compare, name)
        print(f"{name}  ({task.kind}) {task.title}")
        print(f"  cases       {', '.join(task.cases)}")
        print(f"  contenders  {', '.join(task.contenders)}")
        for contender in task.contenders.values():
            for sentence in tasks.missing(contender.needs):
                print(f"  {contender.name:<11} cannot run here: {sentence}")
        print(f"  results     {'stored' if (stored / (name + '.json')).exists() else 'none yet'}")
    return 0


def show_all(compare, stored, options):
    missed = False
    names = tasks.task_names(compare)
    for name in names:
        path = stored / f"{name}.json"
        if not path.exists():
            print(f"{name}: not measured yet.  bench/run.py {name}\n")
            continue
        task = tasks.load(compare, name)
        result = results.load(path)
        rows = judge.rows(task, result["raw"], result["units"])
        missed |= show(task, result, rows, options.all)
        print()
    if not names:
        print("There are no tasks in bench/compare yet.")
    else:
        print("Measure one again: bench/run.py TASK")
    return EXIT_TARGET_MISSED if missed and options.check else 0


def measure_task(compare, stored, options, argv):
    task = tasks.load(compare, options.task)
    options.case += task.quick if options.quick else ()
    cases = chosen(options.case, task.cases, "case", task.name)
    only = options.only.split(",") if options.only else []
    names = [n for n in chosen(only, task.contenders, "contender", task.name) if n != task.facts]
    contenders = [task.contenders[n] for n in names]
    number = round_count(options.rounds)
    check_needs(task, contenders)

    work = Path(options.work or os.environ.get("BENCH_WORK") or ROOT / "build" / "bench")
    work = work.resolve() / task.name
    null = task.null if task.null in names else (task.baseline or names[0])
    runner = (CommandRunner(task, work) if task.kind == "command"
              else InProcessRunner(task, work, ROOT, contenders))
    say = Progress()
    start = time.monotonic()
    conditions = machine.machine(os.environ.get("CXX", "g++").split()[-1])
    runner.prepare(say)
    raw, facts, units = rounds.run(task, runner, cases, contenders, null, number, say)
    say.done()

    result = results.rounded({
        "version": results.VERSION, "task": task.name, "title": task.title, "kind": task.kind,
        "commit": machine.commit(ROOT), "command": command_line(argv, number),
        "date": machine.now(), "seconds": round(time.monotonic() - start), "rounds": number,
        "machine": conditions, "null_control": null,
        "contenders": {c.name: {"version": version_of(c)} for c in contenders},
        "units": units, "facts": facts, "raw": raw})
    if options.merge:
        path = target_of(task, stored, options)
        result = results.merged(results.load(path) if path.exists() else None, result)
    rows = judge.rows(task, result["raw"], result["units"])
    result["rows"] = results.rounded([row.as_json() for row in rows])
    missed = show(task, result, rows, options.all)
    keep(task, result, stored, options, whole=not options.case and not only)
    return EXIT_TARGET_MISSED if missed and options.check else 0


def keep(task, result, stored, options, whole):
    if options.out:
        results.store(options.out, result)
        print(f"\nStored in {options.out}")
    elif whole or options.merge:
        results.store(stored / f"{task.name}.json", result)
        print(f"\nStored in bench/results/{task.name}.json. All tasks: bench/run.py")
    else:
        print("\nNot stored: only a part of the task ran. To store it: --merge, or --out FILE")


def target_of(task, stored, options):
    return Path(options.out) if options.out else stored / f"{task.name}.json"


def chosen(wanted, known, what, task_name):
    for name in wanted:
        if name not in known:
            raise Problem(f"The task {task_name} has no {what} {name!r}. "
                          f"It has: {', '.join(known)}.")
    return [name for name in known if not wanted or name in wanted]


def round_count(wanted):
    text = wanted if wanted is not None else os.environ.get("ROUNDS", DEFAULT_ROUNDS)
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= ROUNDS_MAX:
        raise Problem(f"{text} rounds: expected a whole number from 1 to {ROUNDS_MAX}.")
    return number


def check_needs(task, contenders):
    sentences = tasks.missing(task.needs)
    for contender in contenders:
        sentences += [f"{contender.name}: {s}" for s in tasks.missing(contender.needs)]
    if sentences:
        others = [c.name for c in contenders if not tasks.missing(c.needs)]
        raise Problem(f"The task {task.name} cannot run:\n  " + "\n  ".join(sentences) +
                      f"\nOr leave contenders out: bench/run.py {task.name} --only "
                      f"{','.join(others)}")


def command_line(argv, number):
    """The command as someone else would type it: without our paths."""
    kept, skip = [], False
    for word in argv:
        if skip or word in ("--out", "--work", "--compare-dir", "--results-dir"):
            skip = not skip
        elif not word.startswith(("--out=", "--work=", "--compare-dir=", "--results-dir=")):
            kept.append(word)
    if "--rounds" not in " ".join(kept) and number != DEFAULT_ROUNDS:
        kept.append(f"--rounds {number}")
    return " ".join(["bench/run.py"] + kept)


def version_of(contender):
    return machine.first_line(contender.version.split()) or "" if contender.version else ""


def show(task, result, rows, everything):
    """Prints one result. True if a target was missed."""
    print(f"{task.name}: {task.title}")
    shown = {}  # the runs it is made of, and which cases are of each
    for case in dict.fromkeys(case for r in result["raw"] for case in r):
        run = results.by_run(result, case)
        shown.setdefault((run["date"], run["command"]), (run, []))[1].append(case)
    for run, cases in shown.values():
        which = f": {', '.join(cases)}" if len(shown) > 1 else ""
        print(f"  {run['rounds']} rounds, {run['seconds']} s, {run['date']}, "
              f"commit {run['commit']}, {run['command']}{which}")
    at = result["machine"]
    print(f"  {at['cpu']}, {at['cores']} cores, {at['memory_gib']} GiB, Linux {at['kernel']}, "
          f"{at['distro']}, {at['compiler']}, load {at['load_1m']}\n")
    print(table.comparison(rows))
    if everything:
        print()
        print(table.contenders(result["raw"], result["units"], judge.median))
    for row in rows:
        if row.met is False:
            print(f"  missed: {row.case} {row.metric} {row.target}: {row.why}")
    return any(row.met is False for row in rows)


class Progress:
    """One line on a terminal, rewritten; silent otherwise."""

    def __init__(self):
        self.terminal = sys.stderr.isatty()

    def __call__(self, text):
        if self.terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def done(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Problem as problem:
        Progress().done()
        print(f"bench/run.py: {problem}", file=sys.stderr)
        sys.exit(EXIT_PROBLEM)
    except KeyboardInterrupt:
        Progress().done()
        print("bench/run.py: stopped.", file=sys.stderr)
        sys.exit(130)
