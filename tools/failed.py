#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""failed.py LOG: what each failed test of ctest's LastTest.log said, without what passed in it.

A test of tests/ prints "FAIL  sentence" and why, up to the next sentence; of others the end is shown.
"""
import re
import sys

LINES_MAX = 60
TAIL = 25
SENTENCE = re.compile(r"^(FAIL|ok|skip)  |^\d+ passed, ")


def told(output):
    """The lines of `output` worth reading: what belongs to FAIL sentences, or else the end."""
    lines, wanted = [], False
    for line in output:
        if SENTENCE.match(line):
            wanted = line.startswith("FAIL")
        if wanted:
            lines.append(line)
    lines = lines or output[-TAIL:]
    left = len(lines) - LINES_MAX
    return lines[:LINES_MAX] + ([f"({left} lines more: the log has them)"] if left > 0 else [])


def failed(log):
    """(name, lines) of each failed test in the text `log`."""
    for block in re.split(r"^\d+/\d+ Testing: ", log, flags=re.M)[1:]:
        name, _, rest = block.partition("\n")
        output, end, verdict = rest.partition("<end of output>")
        if re.search(r"^Test Failed\.|^Test timed out|\*\*\*", verdict, flags=re.M) or not end:
            yield name, told(output.partition("-" * 58 + "\n")[2].splitlines())


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        for name, lines in failed(log.read()):
            print(f"--- {name}")
            print("\n".join(lines))


if __name__ == "__main__":
    main()
