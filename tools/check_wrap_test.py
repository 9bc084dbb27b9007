#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""wrap_comments.py fills paragraphs that are too long, and leaves everything else as it is."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from wrap_comments import wrap  # noqa: E402

LONG = "word " * 19 + "end"  # 98 columns, 101 behind `// `


class Wrap(unittest.TestCase):
    def test_a_paragraph_with_a_long_line_is_filled_anew_and_keeps_its_indent(self):
        self.assertEqual(wrap(["  // " + LONG, "  // more.", "int a;"]),
                         ["  // " + "word " * 18 + "word", "  // end more.", "int a;"])

    def test_a_paragraph_that_fits_keeps_its_breaks(self):
        lines = ["// one", "// two", "//", "// three"]
        self.assertEqual(wrap(lines), lines)

    def test_the_licence_line_stays_alone(self):
        self.assertEqual(wrap(["// SPDX-License-Identifier: Apache-2.0", "// " + LONG])[0],
                         "// SPDX-License-Identifier: Apache-2.0")

    def test_a_labelled_row_keeps_its_column(self):
        self.assertEqual(wrap(["// Cost    " + LONG, "//         more."]),
                         ["// Cost    " + "word " * 17 + "word", "//         word end more."])

    def test_a_drawing_is_left_alone(self):
        lines = ["//   | tags: 14 x 1 B | used: 1 B  " + "x" * 80, "// | " + LONG]
        self.assertEqual(wrap(lines), lines)

    def test_a_long_trailing_comment_moves_above_its_line(self):
        self.assertEqual(wrap(["  int count = 0;  // " + LONG[:89]]),
                         ["  // " + LONG[:89], "  int count = 0;"])

    def test_slashes_in_a_string_are_no_comment(self):
        lines = ['  open("http://' + "x" * 100 + '");']
        self.assertEqual(wrap(lines), lines)


if __name__ == "__main__":
    unittest.main()
