#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the comparison harness. Run: python3 bench/tests/harness_test.py

Exit code 77 (skipped) where the machine lacks what the harness itself needs. Nothing here asserts
how long something takes; where CPU is spent on purpose, the test asks that it was not lost.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
BENCH = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BENCH))

from harness import judge, measure, rounds, table, task as tasks  # noqa: E402
from harness.arithmetic import evaluate  # noqa: E402
from harness.command_task import parse_metric_lines  # noqa: E402
from harness.problem import Problem  # noqa: E402

# Spends about a fifth of a second of CPU, by its own clock.
BURN = "import time\nwhile time.process_time() < 0.2: pass\n"


class TemporaryFolder(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ullage-bench-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_tree(self, script, **options):
        return measure.run_tree(["/bin/sh", "-c", script], cwd=self.folder, env=dict(os.environ),
                                log_path=self.folder / "log", **options)


class Measure(TemporaryFolder):
    def test_cpu_of_a_grandchild_counts(self):
        (self.folder / "burn.py").write_text(BURN)
        usage = self.run_tree(f"sh -c '{sys.executable} burn.py; true'; true")
        self.assertGreaterEqual(usage.cpu_s, 0.2)

    def test_cpu_of_an_orphan_that_outlives_the_command_counts(self):
        (self.folder / "burn.py").write_text(BURN)
        usage = self.run_tree(f"{sys.executable} burn.py & exit 0")
        self.assertGreaterEqual(usage.cpu_s, 0.2)

    def test_cpu_of_the_driver_does_not_count(self):
        (self.folder / "burn.py").write_text(BURN + "open('done', 'w')\n")
        usage = self.run_tree("until [ -e done ]; do sleep 0.05; done",
                              driver=[sys.executable, "burn.py"])
        self.assertLess(usage.cpu_s, 0.2)

    def test_peak_rss_is_that_of_the_largest_process(self):
        usage = self.run_tree(f"{sys.executable} -c 'b = bytearray(64 << 20)'; true")
        self.assertGreater(usage.rss_mib, 64)
        self.assertLess(usage.rss_mib, 128)

    def test_a_failing_command_is_reported_with_what_it_printed(self):
        with self.assertRaisesRegex(Problem, r"exit code 3(.|\n)*no such table: orders"):
            self.run_tree("echo no such table: orders >&2; exit 3")

    def test_a_missing_command_is_reported(self):
        with self.assertRaisesRegex(Problem, "could not be started"):
            measure.run_tree([str(self.folder / "absent")], cwd=self.folder, env={},
                             log_path=self.folder / "log")

    def test_a_command_that_hangs_is_killed_with_all_its_descendants(self):
        with self.assertRaisesRegex(Problem, "not finished after 0.3 s; killed"):
            self.run_tree("sleep 600 & echo $! > pid; sleep 600", timeout_s=0.3)
        pid = int((self.folder / "pid").read_text())
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_a_failing_driver_is_reported_although_its_server_ended_well(self):
        with self.assertRaisesRegex(Problem, "exit code 4"):
            self.run_tree("sleep 0.1", driver=["/bin/sh", "-c", "exit 4"])


class Arithmetic(unittest.TestCase):
    def test_names_may_be_dotted(self):
        value = evaluate("(cpu_s - baseline.cpu_s) * 10 / case.events",
                         {"cpu_s": 5, "baseline.cpu_s": 3, "case.events": 4})
        self.assertEqual(value, 5)

    def test_what_is_missing_gives_no_value(self):
        self.assertIsNone(evaluate("a - b", {"a": 1}))
        self.assertIsNone(evaluate("a / b", {"a": 1, "b": 0}))

    def test_a_formula_cannot_call_anything(self):
        with self.assertRaisesRegex(Problem, "may use numbers"):
            evaluate("open('x')", {})


class Rounds(unittest.TestCase):
    def labels(self, number, allowed=None):
        contenders = [tasks.Contender(n, Path(n)) for n in ("bare", "ours", "rival")]
        options = {"contenders": allowed} if allowed else {}
        return [label for label, _ in
                rounds.labels_of(options, contenders, "ours", "bare", number)]

    def test_the_order_rotates_between_the_two_baselines(self):
        self.assertEqual(self.labels(0), ["bare", "ours", "rival", "ours*", "bare*"])
        self.assertEqual(self.labels(1), ["bare", "rival", "ours*", "ours", "bare*"])

    def test_a_case_may_leave_contenders_out(self):
        self.assertEqual(self.labels(0, ["bare", "rival"]), ["bare", "rival", "bare*"])

    def test_a_case_may_do_without_a_null_control(self):
        contenders = [tasks.Contender(n, Path(n)) for n in ("ours", "rival")]
        labels = [label for label, _ in rounds.labels_of({"null": False}, contenders, "ours", "", 0)]
        self.assertEqual(labels, ["ours", "rival"])

    def test_added_cost_is_measured_against_the_mean_of_both_baselines(self):
        task = a_task(derived={"added": "cpu - baseline.cpu", "each": "added / case.events"})
        measured = {"bare": {"cpu": 1.0}, "bare*": {"cpu": 2.0}, "ours": {"cpu": 4.5}}
        rounds.derive(task, measured, {"events": 2})
        self.assertEqual(measured["ours"], {"cpu": 4.5, "added": 3.0, "each": 1.5})
        self.assertEqual(measured["bare"], {"cpu": 1.0})


class Judge(unittest.TestCase):
    def rows(self, ours, rival, **target):
        task = a_task(targets=[a_target(**target)] if target else [])
        raw = [{"one": {"ours": {"cpu": a}, "rival": {"cpu": b}}} for a, b in zip(ours, rival)]
        return judge.rows(task, raw, {"cpu": "s"})

    def test_the_ratio_is_the_median_of_paired_ratios_with_its_range(self):
        row, = self.rows([1, 3, 8], [2, 4, 4], limit=0.8)
        self.assertEqual((row.ratio.median, row.ratio.low, row.ratio.high), (0.75, 0.5, 2.0))
        self.assertTrue(row.met)

    def test_a_missed_target_says_so(self):
        row, = self.rows([3, 3], [2, 2], limit=0.8)
        self.assertIs(row.met, False)

    def test_a_target_that_nobody_measured_is_not_met_and_not_missed(self):
        task = a_task(targets=[a_target(limit=0.8)])
        row, = judge.rows(task, [{"one": {"rival": {"cpu": 1}}}], {})
        self.assertIsNone(row.met)

    def test_a_cost_that_drowned_in_noise_gives_no_ratio(self):
        row, = self.rows([1, 1, 1], [-0.1, -0.2, 3], limit=0.8)
        self.assertIsNone(row.ratio)
        self.assertIsNone(row.met)

    def test_a_value_target_looks_at_ours_alone(self):
        row, = self.rows([1, 3, 2], [9, 9, 9], limit=2, is_ratio=False)
        self.assertTrue(row.met)

    def test_the_best_rival_is_the_cheapest_unless_more_is_better(self):
        raw = [{"one": {"ours": {"cpu": 1}, "rival": {"cpu": 2}, "other": {"cpu": 3}}}]
        self.assertEqual(judge.best_rival(a_task(), raw, "one", "cpu"), "rival")
        task = a_task(higher_is_better=frozenset(["cpu"]))
        self.assertEqual(judge.best_rival(task, raw, "one", "cpu"), "other")

    def test_ours_in_another_setting_is_no_rival(self):
        raw = [{"one": {"ours": {"cpu": 2}, "other": {"cpu": 1}, "rival": {"cpu": 3}}}]
        task = a_task(variants=frozenset(["other"]))
        self.assertEqual(judge.best_rival(task, raw, "one", "cpu"), "rival")

    def test_a_target_may_compare_ours_with_ours_in_another_case(self):
        task = a_task(targets=[a_target(case="two", rival_case="one", limit=1.25)])
        raw = [{"one": {"ours": {"cpu": 10}}, "two": {"ours": {"cpu": 12}}}]
        row, = [r for r in judge.rows(task, raw, {}) if r.target]
        self.assertEqual(row.ratio.median, 1.2)
        self.assertTrue(row.met)

    def test_the_null_control_compares_ours_with_itself(self):
        task = a_task(rows=["cpu"])
        raw = [{"one": {"ours": {"cpu": 2}, "ours*": {"cpu": 3}, "rival": {"cpu": 4}}}]
        self.assertEqual(judge.rows(task, raw, {})[0].null.median, 1.5)

    def test_counts_that_are_zero_on_both_sides_are_equal(self):
        self.assertEqual(self.rows([0, 0], [0, 0], limit=1)[0].ratio.median, 1)
        self.assertEqual(self.rows([0, 0], [5, 5], limit=1)[0].ratio.median, 0)


class Table(unittest.TestCase):
    def test_quantities_carry_their_unit_and_three_digits(self):
        self.assertEqual(table.quantity(0.0421, "s"), "42.1 ms")
        self.assertEqual(table.quantity(3 * 2**20, "B"), "3 MiB")
        self.assertEqual(table.quantity(399, "count"), "399")
        self.assertEqual(table.quantity(2_144_651, "count"), "2.14 M")
        self.assertEqual(table.quantity(None, "s"), "-")


class Loading(TemporaryFolder):
    def task(self, text, targets="[]", files=("ours.sh", "rival.sh")):
        make_task(self.folder, "sample", text, targets, {name: "#!/bin/sh\n" for name in files})
        return tasks.load(self.folder, "sample")

    def test_an_unknown_key_is_named(self):
        with self.assertRaisesRegex(Problem, "unknown key 'casses'"):
            self.task({"kind": "command", "casses": {}})

    def test_a_role_without_a_file_is_named(self):
        with self.assertRaisesRegex(Problem, "baseline is 'bare', but there is no such contender"):
            self.task({"kind": "command", "baseline": "bare", "cases": {"one": {"command": []}}})

    def test_a_target_for_an_unknown_case_is_named(self):
        with self.assertRaisesRegex(Problem, "no case 'two'"):
            self.task({"kind": "command", "cases": {"one": {"command": []}}},
                      '[{"metric": "m", "case": "two", "op": "<=", "ratio": 1, "why": "w"}]')

    def test_a_target_without_a_reason_is_refused(self):
        with self.assertRaisesRegex(Problem, "needs metric, case, op, why"):
            self.task({"kind": "command", "cases": {"one": {"command": []}}},
                      '[{"metric": "m", "case": "one", "op": "<=", "ratio": 1}]')

    def test_broken_json_is_reported_with_its_line(self):
        with self.assertRaisesRegex(Problem, "sample/targets.json:2"):
            self.task({"kind": "command", "cases": {"one": {"command": []}}}, "[\n{]")

    def test_a_missing_program_names_its_package(self):
        sentence, = tasks.missing([("command", "no-such-tool", "package tool-of-debian")])
        self.assertEqual(sentence,
                         "the program no-such-tool is missing: apt-get install tool-of-debian")

    def test_an_unset_variable_says_what_to_do(self):
        sentence, = tasks.missing([("env", "ULLAGE_BIN", "build it: make build")], {})
        self.assertEqual(sentence, "the variable ULLAGE_BIN is not set: build it: make build")

    def test_metric_lines_that_are_not_metrics_are_refused(self):
        self.assertEqual(parse_metric_lines("links 15 count\n", "x"), {"links": (15.0, "count")})
        with self.assertRaisesRegex(Problem, "expected 'metric value unit'"):
            parse_metric_lines("links: fifteen\n", "x")

    def test_every_task_of_the_repository_loads(self):
        names = tasks.task_names(BENCH / "compare")
        self.assertIn("append", names)
        for name in names:
            tasks.load(BENCH / "compare", name)


class CommandLine(TemporaryFolder):
    """The whole program, on a task of three shell scripts."""

    def setUp(self):
        super().setUp()
        make_task(self.folder / "compare", "sample", {
            "kind": "command", "title": "counted in the shell", "baseline": "bare",
            "facts": "count", "cases": {"one": {"command": ["echo", "${TASK}"]}, "two": {
                "command": ["cat"], "driver": ["/bin/sh", "-c", "echo fed > fed"]}},
            "derived": {"double": "steps * case.factor"}, "units": {"double": "count"},
            "rows": ["steps", "double"]},
            '[{"metric": "steps", "case": "one", "op": "<=", "ratio": 0.5, "why": "Half of it."}]',
            {"bare.sh": '#!/bin/sh\n"$@" < /dev/null\n',
             "ours.sh": '#!/bin/sh\n"$@" < /dev/null > "$OUT/said"\n',
             "ours.metrics.sh": '#!/bin/sh\n[ -s said ] || [ "$CASE" = two ] || exit 1\n'
                                'echo steps 10 count\n',
             "rival.sh": "#!/bin/sh\n# needs: command sh, package dash\n# version: echo v1.2\n"
                         'exec "$@" < /dev/null\n',
             "rival.metrics.sh": "#!/bin/sh\necho steps 40 count\n",
             "count.sh": "#!/bin/sh\nexit 0\n",
             "count.metrics.sh": "#!/bin/sh\necho factor 2 count\n"})

    def run_py(self, *words, expect=0):
        result = subprocess.run(
            [sys.executable, str(BENCH / "run.py"), "--compare-dir", str(self.folder / "compare"),
             "--results-dir", str(self.folder / "results"), "--work", str(self.folder / "work"),
             *words], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, expect, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def test_a_task_is_measured_stored_and_shown_again(self):
        shown = self.run_py("sample", "--rounds", "2", "--check")
        self.assertRegex(shown, r"one +steps +10 +40  rival +0\.25 .*<= 0\.5x +yes")
        self.assertRegex(shown, r"double +20 +80  rival")
        stored = json.loads((self.folder / "results" / "sample.json").read_text())
        self.assertEqual(stored["rounds"], 2)
        self.assertEqual(stored["command"], "bench/run.py sample --rounds 2 --check")
        self.assertEqual(stored["contenders"]["rival"]["version"], "v1.2")
        self.assertEqual(len(stored["raw"]), 2)
        self.assertIn("ours*", stored["raw"][0]["one"])
        self.assertNotIn(str(self.folder), json.dumps(stored))
        again = self.run_py()
        self.assertIn("<= 0.5x", again)

    def test_stored_rounds_are_judged_by_the_targets_of_today(self):
        self.run_py("sample", "--rounds", "1")
        (self.folder / "compare/sample/targets.json").write_text(
            '[{"metric": "steps", "case": "one", "op": "<=", "ratio": 0.1, "why": "Stricter."}]')
        shown = self.run_py("--check", expect=1)
        self.assertIn("missed: one steps <= 0.1x: Stricter.", shown)

    def test_a_part_of_a_task_is_shown_and_not_stored(self):
        shown = self.run_py("sample", "--rounds", "1", "--case", "one", "--all")
        self.assertIn("Not stored", shown)
        self.assertNotIn("two", shown)
        self.assertFalse((self.folder / "results").exists())

    def test_a_merge_replaces_the_cases_that_ran_and_keeps_the_others_with_their_run(self):
        path = self.folder / "results" / "sample.json"
        self.run_py("sample", "--rounds", "2")
        whole = json.loads(path.read_text())
        rival = self.folder / "compare/sample/rival.metrics.sh"
        rival.write_text("#!/bin/sh\necho steps 80 count\n")
        shown = self.run_py("sample", "--rounds", "3", "--case", "one", "--merge")
        self.assertRegex(shown, r"one +steps +10 +80  rival")
        both = json.loads(path.read_text())
        self.assertEqual([sorted(r) for r in both["raw"]], [["one", "two"], ["one", "two"], ["one"]])
        self.assertEqual(both["raw"][0]["two"], whole["raw"][0]["two"])
        self.assertEqual(both["raw"][0]["one"]["rival"]["steps"], 80)
        self.assertEqual(both["runs"]["two"]["command"], "bench/run.py sample --rounds 2")
        self.assertEqual(both["runs"]["two"]["date"], whole["date"])
        self.assertEqual(both["runs"]["one"]["rounds"], 3)
        self.assertEqual({r["case"]: r["rival_value"] for r in both["rows"] if r["metric"] == "steps"},
                         {"one": 80, "two": 40})
        again = self.run_py()
        self.assertRegex(again, r"2 rounds.*--rounds 2: two")
        self.assertRegex(again, r"3 rounds.*--case one --merge.*: one")
        # Once more: what was merged before keeps its run.
        self.run_py("sample", "--rounds", "1", "--case", "two", "--merge")
        third = json.loads(path.read_text())
        self.assertEqual(third["runs"]["one"], both["runs"]["one"])
        self.assertEqual(third["runs"]["two"]["rounds"], 1)

    def test_unknown_names_list_the_known_ones(self):
        self.assertIn("Known tasks: sample", self.run_py("simple", expect=2))
        self.assertIn("It has: one, two", self.run_py("sample", "--case", "three", expect=2))
        self.assertIn("from 1 to 1000", self.run_py("sample", "--rounds", "1001", expect=2))

    def test_a_contender_that_cannot_run_names_the_package_and_the_way_around(self):
        path = self.folder / "compare/sample/rival.sh"
        path.write_text(path.read_text().replace("command sh,", "command no-such-sh,"))
        shown = self.run_py("sample", expect=2)
        self.assertIn("rival: the program no-such-sh is missing: apt-get install dash", shown)
        self.assertIn("--only bare,ours", shown)

    def test_a_contender_that_fails_stops_the_task_and_shows_why(self):
        (self.folder / "compare/sample/ours.sh").write_text("#!/bin/sh\necho broken; exit 9\n")
        shown = self.run_py("sample", "--rounds", "1", expect=2)
        self.assertRegex(shown, r"ours\.sh(.|\n)*exit code 9(.|\n)*broken")

    def test_a_task_has_a_time_limit_of_its_own(self):
        (self.folder / "compare/sample/rival.sh").write_text("#!/bin/sh\nsleep 600\n")
        path = self.folder / "compare/sample/task.json"
        text = json.loads(path.read_text())
        path.write_text(json.dumps({**text, "timeout_s": 0.5}))
        shown = self.run_py("sample", "--rounds", "1", expect=2)
        self.assertIn("not finished after 0.5 s; killed", shown)
        path.write_text(json.dumps({**text, "timeout_s": "long"}))
        self.assertIn("expected a number of seconds", self.run_py("sample", expect=2))

    def test_the_list_says_what_there_is(self):
        shown = self.run_py("--list")
        self.assertIn("cases       one, two", shown)
        self.assertIn("results     none yet", shown)


@unittest.skipUnless(shutil.which("g++"), "g++ is not installed")
class InProcess(TemporaryFolder):
    def test_reserving_allocates_once_and_moves_nothing(self):
        out = self.folder / "append.json"
        subprocess.run([sys.executable, str(BENCH / "run.py"), "append", "--rounds", "1", "--out",
                        str(out), "--work", str(self.folder)], check=True, capture_output=True)
        million = json.loads(out.read_text())["raw"][0]["million"]
        self.assertEqual(million["reserved"]["allocations"], 1)
        self.assertEqual(million["reserved"]["moves"], 0)
        self.assertEqual(million["plain"]["allocations"], 21)
        self.assertEqual(million["plain"]["moves"], 2**20 - 1)
        self.assertEqual(million["reserved*"]["allocations"], 1)


def a_task(**changes):
    contenders = {n: tasks.Contender(n, Path(n)) for n in ("bare", "ours", "rival", "other")}
    fields = {
        "name": "sample", "directory": Path("."), "kind": "command", "title": "", "ours": "ours",
        "baseline": "bare", "null": "ours", "facts": "", "cases": {"one": {}, "two": {}},
        "derived": {}, "units": {}, "higher_is_better": frozenset(), "rows": [], "flags": [],
        "needs": [], "phase_rounds": 0, "contenders": contenders, "targets": []}
    return tasks.Task(**{**fields, **changes})


def a_target(**changes):
    fields = {"metric": "cpu", "case": "one", "op": "<=", "limit": 1.0, "why": "because",
              "is_ratio": True}
    return tasks.Target(**{**fields, **changes})


def make_task(compare, name, text, targets, files):
    folder = compare / name
    folder.mkdir(parents=True)
    (folder / "task.json").write_text(json.dumps(text))
    (folder / "targets.json").write_text(targets)
    for file, content in files.items():
        (folder / file).write_text(content)
        (folder / file).chmod(0o755)


if __name__ == "__main__":
    if not sys.platform.startswith("linux") or not os.path.exists("/proc/self/task"):
        print("skipped: the harness measures with Linux's wait4, prctl and /proc")
        sys.exit(77)
    unittest.main()
