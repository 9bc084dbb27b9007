#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""failed.py, on the log of a real ctest run."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import failed

PROJECT = """cmake_minimum_required(VERSION 3.20)
project(x NONE)
enable_testing()
add_test(NAME sentences COMMAND sh -c "echo 'ok    this (0.1 s)'; echo 'FAIL  that'; echo why; echo 'ok    more (0 s)'; exit 1")
add_test(NAME plain COMMAND sh -c "echo hello; exit 2")
add_test(NAME fine COMMAND sh -c "echo 'FAIL  not really'")
add_test(NAME crashed COMMAND sh -c "echo last words; kill -11 $$")
"""


class Failed(unittest.TestCase):
    @unittest.skipUnless(shutil.which("ctest"), "no ctest")
    def test_tells_what_failed_and_nothing_that_passed(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "CMakeLists.txt").write_text(PROJECT)
            subprocess.run(["cmake", "-B", "b", "."], cwd=folder, check=True, stdout=subprocess.DEVNULL)
            done = subprocess.run(["ctest"], cwd=f"{folder}/b", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  check=False)
            self.assertNotEqual(done.returncode, 0)
            log = (pathlib.Path(folder) / "b/Testing/Temporary/LastTest.log").read_text()
        self.assertEqual(list(failed.failed(log)), [
            ("sentences", ["FAIL  that", "why"]), ("plain", ["hello"]), ("crashed", ["last words"])])

    def test_cuts_what_is_long_and_says_so(self):
        lines = failed.told(["FAIL  much", *map(str, range(100))])
        self.assertEqual(len(lines), failed.LINES_MAX + 1)
        self.assertIn("41 lines more", lines[-1])


if __name__ == "__main__":
    unittest.main()
