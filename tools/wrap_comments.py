#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Wraps `//` comments that run past column 100; part of `make format`.

    tools/wrap_comments.py FILE...

clang-format breaks such a line and leaves a stump of two words behind, and it cannot tell a paragraph
from a drawing; so .clang-format leaves comments alone. Here a paragraph is a run of lines of the same
indent without inner columns (no two blanks in a row), or a labelled row (`// Cost     text`) and its
continuation; only paragraphs with a line that is too long are filled anew. A long trailing comment moves
above its line. Drawings are left for a person.
"""
import pathlib
import re
import sys
import textwrap

COLUMNS_MAX = 100
COMMENT = re.compile(r"^(\s*//[/!]? +)(\S.*)$")
LABELLED = re.compile(r"^(\s*// \w+(?: \w+)?  +)(\S.*)$")
TRAILING = re.compile(r'^(\s*)((?:[^"/]|"(?:[^"\\]|\\.)*"|/(?!/))*\S)\s+// (\S.*)$')


def plain(text):
    return "  " not in text.strip() and "SPDX" not in text and not text.startswith(("|", "+", "- ", "* "))


def fill(prefix, words, first=None):
    return textwrap.wrap(" ".join(words), COLUMNS_MAX, initial_indent=first or prefix, subsequent_indent=prefix,
                         break_long_words=False, break_on_hyphens=False)


def wrap(lines):
    out = []
    i = 0
    while i < len(lines):
        match, first = COMMENT.match(lines[i]), None
        if (label := LABELLED.match(lines[i])) and plain(label.group(2)):
            match, first = label, label.group(1)
        if not match or not plain(match.group(2)):
            out += split_trailing(lines[i], lines[i + 1] if i + 1 < len(lines) else "")
            i += 1
            continue
        start = i
        prefix = match.group(1)
        paragraph = [match.group(2)]
        if first:
            slashes = prefix.index("//") + 2
            prefix = prefix[:slashes] + " " * (len(prefix) - slashes)
        i += 1
        while i < len(lines) and (m := COMMENT.match(lines[i])) and m.group(1) == prefix and plain(m.group(2)):
            paragraph.append(m.group(2))
            i += 1
        too_long = any(len(line) > COLUMNS_MAX for line in lines[start:i])
        out += fill(prefix, paragraph, first) if too_long else lines[start:i]
    return out


def split_trailing(line, following):
    match = TRAILING.match(line)
    if len(line) <= COLUMNS_MAX or not match or "NOLINT" in line:
        return [line]
    if following.lstrip().startswith("//") and len(following) - len(following.lstrip()) > 20:
        return [line]  # the comment goes on beneath: a person should look
    indent, code, text = match.groups()
    return fill(f"{indent}// ", [text]) + [indent + code]


def main():
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        before = path.read_text()
        after = "".join(line + "\n" for line in wrap(before.splitlines()))
        if after != before:
            path.write_text(after)
            print(f"wrapped {name}")


if __name__ == "__main__":
    main()
