#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants one violation at a time and expects check_layers.py to name it, or to stay silent."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_layers  # noqa: E402

DIAGRAM = """
ullage_module(base)
ullage_module(record LINK_PACKAGES libzstd)
ullage_agent(agent USES record)  # a guest
ullage_module(trace USES base record LINK_PACKAGES libdw)
ullage_module(diagnose
              USES base)
ullage_plugin(trace/deep USES base LINK_PACKAGES rocksdb)
ullage_program(ullage MAIN src/cli/main.cpp USES trace)
"""


class CheckLayers(unittest.TestCase):
    def complaints(self, file, text, diagram=DIAGRAM):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "CMakeLists.txt").write_text(diagram)
            path = root / file
            path.parent.mkdir(parents=True)
            path.write_text(text)
            files, complaints = check_layers.check(root)
            self.assertEqual(files + sum("no module of" in c for c in complaints) > 0, True)
            return complaints

    def says(self, file, include, expected):
        self.assertEqual(self.complaints(file, f"// x\n#include {include}\n"), [f"{file}:2: {expected}"])

    def silent(self, file, include):
        self.assertEqual(self.complaints(file, f"#include {include}\n"), [])

    def test_an_upward_include_is_named_with_what_would_be_allowed(self):
        self.says("src/base/bytes.h", '"diagnose/finding.h"',
                  "'base' may not use 'diagnose' (it may use: nothing)")
        self.says("src/trace/a.cpp", '"diagnose/finding.h"',
                  "'trace' may not use 'diagnose' (it may use: base record)")

    def test_uses_on_a_following_line_counts(self):
        self.silent("src/diagnose/a.cpp", '"base/result.h"')

    def test_a_module_may_include_itself_and_what_it_names(self):
        self.silent("src/trace/a.cpp", '"trace/b.h"')
        self.silent("src/trace/native/a.cpp", '"record/layout.h"')

    def test_a_module_within_a_module_is_one_of_its_own(self):
        self.says("src/trace/deep/a.cpp", '"trace/b.h"', "'trace/deep' may not use 'trace' (it may use: base)")
        self.says("src/trace/a.cpp", '"trace/deep/b.h"',
                  "'trace' may not use 'trace/deep' (it may use: base record)")
        self.silent("src/trace/deep/a.cpp", '"trace/deep/b.h"')

    def test_what_the_used_module_uses_is_not_inherited(self):
        self.says("src/agent/a.cpp", '"base/result.h"',
                  "'agent' may not use 'base' (it may use: record)")

    def test_a_guest_may_not_use_the_library_others_may(self):
        self.says("src/record/a.h", "<ullage/version.h>",
                  "'record' lives in other people's processes and may not use the library")
        self.silent("src/base/a.h", "<ullage/version.h>")

    def test_a_third_party_header_stays_in_its_home(self):
        self.silent("src/trace/a.cpp", "<elfutils/libdw.h>")
        self.says("src/base/a.cpp", "<elfutils/libdw.h>", "elfutils is at home in trace, not in 'base'")
        self.says("src/trace/a.cpp", "<CLI/CLI.hpp>", "CLI11 is at home in cli, not in 'trace'")

    def test_a_third_party_header_stays_out_of_headers(self):
        self.says("src/record/a.h", "<zstd.h>",
                  "zstd may not appear in a header; include <zstd.h> from a .cpp file")

    def test_a_header_without_a_home_is_named(self):
        self.says("src/base/a.cpp", "<fmt/core.h>",
                  "<fmt/core.h> has no home; name it in HOMES of tools/check_layers.py, and in the README")

    def test_test_libraries_stay_in_tests(self):
        self.silent("src/base/a_test.cpp", "<gtest/gtest.h>")
        self.silent("include/ullage/map_contract.h", "<gtest/gtest.h>")
        self.says("src/base/a.cpp", "<gtest/gtest.h>", "<gtest/gtest.h> belongs in *_test.cpp")
        self.says("src/base/a_test.cpp", "<benchmark/benchmark.h>",
                  "<benchmark/benchmark.h> belongs in *_bench.cpp")

    def test_the_standard_library_and_libc_are_free_for_modules(self):
        for header in ("<vector>", "<cstdint>", "<sys/mman.h>", "<unistd.h>"):
            self.silent("src/record/a.h", header)

    def test_the_public_library_needs_the_standard_library_only(self):
        self.silent("include/ullage/a.h", "<vector>")
        self.silent("include/ullage/a.h", "<ullage/growth.h>")
        self.silent("include/ullage/detail/a.h", "<sys/mman.h>")
        self.silent("include/ullage/a_test.cpp", "<unistd.h>")
        self.says("include/ullage/a.h", "<unistd.h>",
                  "the library meets the system in include/ullage/detail only, not <unistd.h> here")
        self.says("include/ullage/a.h", '"base/result.h"',
                  'the public library includes <...> only, so that it stands alone (found "base/result.h")')

    def test_an_include_without_its_folder_is_named(self):
        self.says("src/base/a.cpp", '"a.h"', 'write "a.h" from the root of src/: "base/.../a.h"')

    def test_a_folder_outside_the_diagram_is_named(self):
        self.assertEqual(self.complaints("src/common/a.cpp", ""),
                         ["src/common/a.cpp: src/common is no module of CMakeLists.txt"])

    def test_the_diagram_itself_may_not_point_upwards(self):
        self.assertEqual(
            self.complaints("src/a/x.cpp", "", "ullage_module(a USES b)\nullage_module(b)\n"),
            ["CMakeLists.txt: 'a' uses 'b', which is not named above it"])

    def test_data_is_not_looked_at(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "CMakeLists.txt").write_text(DIAGRAM)
            path = root / "src/trace/testdata/case/a.cpp"
            path.parent.mkdir(parents=True)
            path.write_text('#include "diagnose/finding.h"\n')
            self.assertEqual(check_layers.check(root), (0, []))


if __name__ == "__main__":
    unittest.main()
