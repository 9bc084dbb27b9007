#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the README and the docs tell people to type exists, and what they show compiles.

Looks at every Markdown file of ours: `make X` must be a target, `ullage VERB --option` must be in that
verb's --help, a path in backticks must be there, and a C++ block that begins with #include must compile
(and run, if it has a main).
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SRC = pathlib.Path(os.environ["ULLAGE_SRC"])
BIN = os.environ["ULLAGE_BIN"]
PAGES = [p for p in sorted(SRC.rglob("*.md"))
         if not {"build", "testdata", ".git", "results"} & set(p.relative_to(SRC).parts)]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOP = "src|include|tools|tests|docs|bench|cmake|examples|fuzz"


def commands(text):
    """What is typed: the lines of unnamed and shell blocks (without `$ `), and `spans`, joined at \\."""
    for language, body in FENCE.findall(text):
        if language in ("", "sh", "bash", "console", "shell"):
            for line in re.sub(r"\\\n\s*", " ", body).splitlines():
                yield re.sub(r"^\s*\$ ", "", line)
    for span in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)):
        yield span


class Docs(unittest.TestCase):
    def test_every_make_target_that_is_named_exists(self):
        known = set(re.findall(r"^([a-z]+):", (SRC / "Makefile").read_text(), re.MULTILINE))
        for page in PAGES:
            for command in commands(page.read_text()):
                match = re.match(r"make ([a-z]+)", command)
                if match:
                    self.assertIn(match.group(1), known, f"{page.name}: {command}")

    @unittest.skipUnless(os.access(BIN, os.X_OK), "the program is not built")
    def test_every_verb_and_option_that_is_named_is_in_the_help(self):
        help_of = {}
        for page in PAGES:
            for command in commands(page.read_text()):
                match = re.match(r"(?:sudo )?(?:build/\w+/bin/)?ullage ([a-z]+)\b(.*)", command)
                if not match:
                    continue
                verb, rest = match.groups()
                if verb not in help_of:
                    run = subprocess.run([BIN, verb, "--help"], capture_output=True, text=True)
                    self.assertEqual(run.returncode, 0, f"{page.name}: {command}\n{run.stderr}")
                    help_of[verb] = run.stdout
                for option in re.findall(r"(?<=\s)(--?[a-z][\w-]*)", rest.split(" -- ")[0].split("#")[0]):
                    self.assertRegex(help_of[verb], rf"(?<![\w-]){option}\b", f"{page.name}: {command}")

    def test_every_path_of_ours_that_is_named_is_there(self):
        for page in PAGES:
            for span in re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text())):
                if re.fullmatch(rf"({TOP})/[\w./-]+", span) and not re.search(r"[A-Z]{3}|\bx_", span):
                    self.assertTrue((SRC / span).exists(), f"{page.name}: there is no {span}")

    def test_every_program_that_is_shown_compiles_and_runs(self):
        shown = [page.name for page in PAGES if re.search(r"^```cpp\n#include", page.read_text(), re.MULTILINE)]
        for page in ("README.md", "growth.md", "hash_map.md", "slice.md", "vector.md"):
            self.assertIn(page, shown)
        for page in PAGES:
            for language, body in FENCE.findall(page.read_text()):
                if language not in ("cpp", "c++") or not body.startswith("#include"):
                    continue
                with self.subTest(page=page.name, body=body), tempfile.TemporaryDirectory() as folder:
                    program = pathlib.Path(folder) / "shown"
                    has_main = "int main(" in body
                    flags = ["-o", str(program)] if has_main else ["-fsyntax-only"]
                    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-Wall", "-Wextra", "-Werror",
                                    f"-I{SRC / 'include'}", "-x", "c++", "-", "-pthread", *flags],
                                   input=body, text=True, check=True)
                    if has_main:
                        subprocess.run([program], check=True, stdout=subprocess.DEVNULL, timeout=60)


if __name__ == "__main__":
    sys.exit(unittest.main())
