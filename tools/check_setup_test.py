#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""setup.sh and progress.sh, on a machine made of small scripts that note what they are asked to do."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).parent


class Setup(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.tools = self.folder / "ours/tools"
        (self.tools / "packages").mkdir(parents=True)
        for script in ("setup.sh", "progress.sh"):
            shutil.copy(TOOLS / script, self.tools)
        (self.tools / "packages/run.txt").write_text("# why\none   # because\ntwo\n?extra\n")
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        # Only these commands exist beside the shell's own: no sudo unless a test brings one.
        for name in ("bash", "sed", "grep", "sort", "tr", "cat", "tee", "chmod", "rm", "mktemp", "tail", "cut",
                     "sleep", "env", "dirname", "mkdir", "touch"):
            (self.bin / name).symlink_to(shutil.which(name))

    def fake(self, name, body):
        script = self.bin / name
        script.write_text(f"#!/bin/bash\n{body}\n")
        script.chmod(0o755)

    def machine(self, installed, uid, refuses="nothing"):
        self.fake("dpkg-query", "".join(f"echo 'installed {name}'\n" for name in installed))
        self.fake("id", f"echo {uid}")
        self.fake("apt-get", f'echo "$*" >> {self.folder}/asked; echo "Setting up"\n'
                             f'case "$*" in *" install {refuses}"*) exit 100 ;; esac')

    def run_setup(self, *lists):
        environment = {"PATH": str(self.bin), "POLICY_RC_D": str(self.folder / "policy"),
                       "TMPDIR": str(self.folder)}
        done = subprocess.run([self.tools / "setup.sh", *lists], env=environment, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        asked = self.folder / "asked"
        return done, asked.read_text() if asked.exists() else ""

    def test_says_one_line_and_asks_nothing_when_nothing_is_missing(self):
        self.machine(["one", "two", "extra"], uid=1000)
        done, asked = self.run_setup("run")
        self.assertEqual((done.returncode, done.stdout, asked), (0, "packages: all 2 are installed\n", ""))

    def test_installs_exactly_what_is_missing_and_lets_no_service_start_meanwhile(self):
        self.machine(["one", "extra"], uid=0)
        self.fake("apt-get", f'echo "$*" >> {self.folder}/asked; [ -x {self.folder}/policy ]')
        done, asked = self.run_setup("run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line.split(" --no-install-recommends ")[1] for line in asked.splitlines()],
                         ["update", "install two"])
        self.assertFalse((self.folder / "policy").exists())

    def test_names_what_to_install_where_it_may_not(self):
        self.machine(["one"], uid=1000)
        done, asked = self.run_setup("run")
        self.assertEqual((done.returncode, asked), (1, ""))
        self.assertIn("apt-get install two\n", done.stderr)

    def test_uses_sudo_where_there_is_one(self):
        self.machine(["one", "extra"], uid=1000)
        self.fake("sudo", f'echo "sudo $*" >> {self.folder}/asked; [ "$1" = -n ] || "$@"')
        done, asked = self.run_setup("run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(asked, r"sudo env DEBIAN_FRONTEND=noninteractive apt-get .* install two\n")

    def test_an_optional_package_that_cannot_be_had_is_asked_for_once(self):
        self.machine(["one", "two"], uid=0, refuses="extra")
        done, asked = self.run_setup("run")
        self.assertEqual((done.returncode, asked.count("install extra")), (0, 1))
        self.assertIn("without extra; the tests that use them are skipped", done.stdout)
        self.assertEqual(self.run_setup("run")[1].count("install extra"), 1)

    def test_an_unknown_list_is_refused_with_those_that_are_known(self):
        self.machine([], uid=0)
        done, _ = self.run_setup("nonesuch")
        self.assertEqual((done.returncode, done.stderr),
                         (2, "setup: there is no package list 'nonesuch'. Known: run.txt\n"))


class Progress(unittest.TestCase):
    def progress(self, script):
        return subprocess.run([TOOLS / "progress.sh", "label", "bash", "-c", script], text=True,
                              capture_output=True, env=dict(os.environ))

    def test_a_command_that_works_is_one_line(self):
        done = self.progress("echo much; echo more")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\Alabel: done in \d+ s\n\Z")

    def test_a_command_that_fails_shows_all_it_said_and_keeps_its_exit_code(self):
        done = self.progress("echo much; echo more >&2; exit 7")
        self.assertEqual(done.returncode, 7)
        self.assertIn("much\nmore\nlabel: failed (exit code 7)", done.stderr)

    def test_a_slow_command_shows_where_it_is_every_few_seconds(self):
        done = self.progress("echo '[3/9] three'; sleep 4")
        self.assertRegex(done.stdout, r"label  \d+s  \[3/9\] three\n")


if __name__ == "__main__":
    unittest.main()
