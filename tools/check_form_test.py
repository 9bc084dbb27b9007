#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants one fault of form at a time and expects check_form.py to name it, or to stay silent."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import check_form  # noqa: E402

GOOD = "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n"


class CheckForm(unittest.TestCase):
    def complaints(self, file, text):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder).resolve()
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return check_form.check(root)[1]

    def test_a_header_in_form_is_passed_over_in_silence(self):
        self.assertEqual(self.complaints("src/a.h", GOOD), [])

    def test_a_missing_licence_line_is_named(self):
        self.assertEqual(len(self.complaints("src/a.cpp", "int a;\n")), 1)
        self.assertEqual(self.complaints("tools/a.py", "#!/usr/bin/python3\n# " + check_form.SPDX + "\n"), [])

    def test_a_header_without_pragma_once_is_named(self):
        self.assertEqual(self.complaints("src/a.h", GOOD.replace("#pragma once\n", "")),
                         ["src/a.h:1: a header needs #pragma once"])

    def test_column_101_is_named_and_column_100_is_not(self):
        self.assertEqual(self.complaints("src/a.h", GOOD + "x" * 100 + "\n"), [])
        self.assertEqual(self.complaints("src/a.h", GOOD + "x" * 101 + "\n"),
                         ["src/a.h:3: 101 columns; the limit is 100"])

    def test_line_501_is_named(self):
        self.assertEqual(self.complaints("src/a.h", GOOD + "\n" * 498), [])
        self.assertEqual(len(self.complaints("src/a.h", GOOD + "\n" * 499)), 1)

    def test_paths_of_one_machine_are_named(self):
        for path in ("/wo" "rk/main/x", "/ho" "me/anna/x", "/ro" "ot/x"):
            self.assertEqual(len(self.complaints("a.md", f"see {path}\n")), 1, path)
        for path in ("./w" + "ork/x", "a/w" + "ork/b", "/home/you/x", "/usr/lib/x", "/tmp/x"):
            self.assertEqual(self.complaints("a.md", f"see {path}\n"), [], path)

    def test_registries_are_named(self):
        self.assertEqual(len(self.complaints("a.sh", "# " + check_form.SPDX + "\ncurl https://pypi" ".org/\n")), 1)

    def test_a_link_must_lead_somewhere_inside(self):
        self.assertEqual(self.complaints("a.md", "[a](b.md)\n"), ["a.md:1: the link b.md leads nowhere"])
        self.assertEqual(self.complaints("a.md", "[a](../b.md)\n"),
                         ["a.md:1: the link ../b.md leaves the repository"])
        self.assertEqual(self.complaints("a.md", "[a](a.md#x) [b](https://example.org/) `[c](d)`\n"), [])
        self.assertEqual(self.complaints("a.md", "```\n[a](b.md)\n```\n"), [])

    def test_what_was_built_and_what_is_data_is_not_looked_at(self):
        self.assertEqual(self.complaints("build/a.h", "x\n"), [])
        self.assertEqual(self.complaints("src/testdata/a.h", "x" * 200), [])


if __name__ == "__main__":
    unittest.main()
