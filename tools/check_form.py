#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a machine can check about the form of our files, so that nobody else has to.

    tools/check_form.py [ROOT]

A licence line in every source, #pragma once in every header, 100 columns, 500 lines, no trailing
blanks, no path of somebody's machine, no registry's host name, and no dead relative link.
"""
import os
import pathlib
import re
import sys

COLUMNS_MAX = 100  # of C++ (what .clang-format breaks at) and of everything else we write by hand
LINES_MAX = 500    # of a source file; longer ones are two things living in one place
SPDX = "SPDX-License-Identifier: Apache-2.0"

SOURCES = {".h", ".cpp", ".c", ".def", ".py", ".sh", ".cmake", ".sql", ".js", ".css"}
SOURCE_NAMES = {"CMakeLists.txt", "Makefile", "run"}
CPP = {".h", ".cpp", ".c"}  # a .def is a table: a line is a row
SKIPPED_FOLDERS = {".git", "build", "__pycache__", "node_modules", "results"}

# Character classes keep these patterns from matching themselves.
MACHINE_PATH = re.compile(r"(?<![\w.])/([w]ork|[h]ome/(?!\w*you\b|me\b|USER)\w+|[r]oot|tmp/[h]|Users/\w+)/")
REGISTRY = re.compile(
    r"\b(deb[.]debian[.]org|snapshot[.]debian[.]org|archive[.]ubuntu[.]com|pypi[.]org|"
    r"files[.]pythonhosted[.]org|registry[.]npmjs[.]org|crates[.]io|proxy[.]golang[.]org|"
    r"rubygems[.]org|ghcr[.]io|docker[.]io|repo[.]maven)\b")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")


def files_of(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS)
        for name in sorted(names):
            if name != ".git":  # a file in a linked work tree
                yield pathlib.Path(folder) / name


def check_source(path, lines):
    if not any(SPDX in line for line in lines[:3]):
        yield 1, f"the first line should say: {SPDX}"
    if path.suffix == ".h" and "#pragma once" not in lines:
        yield 1, "a header needs #pragma once"
    if len(lines) > LINES_MAX:
        yield len(lines), f"{len(lines)} lines; at {LINES_MAX}, ask which two things live here"
    for number, line in enumerate(lines, 1):
        if path.suffix in CPP and len(line) > COLUMNS_MAX:
            yield number, f"{len(line)} columns; the limit is {COLUMNS_MAX}"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"


def check_links(root, path, text):
    without_code = re.sub(r"^```.*?^```", lambda m: "\n" * m.group().count("\n"), text,
                          flags=re.MULTILINE | re.DOTALL)
    without_code = re.sub(r"`[^`\n]*`", "", without_code)
    for match in LINK.finditer(without_code):
        target = match.group(1).split("#")[0]
        if not target or re.match(r"[a-z]+:", target):
            continue
        number = without_code.count("\n", 0, match.start()) + 1
        resolved = (path.parent / target).resolve()
        if not resolved.is_relative_to(root):
            yield number, f"the link {target} leaves the repository"
        elif not resolved.exists():
            yield number, f"the link {target} leads nowhere"


def check_file(root, path):
    data = path.read_bytes()
    if b"\0" in data:
        return
    text = data.decode(errors="replace")
    lines = text.splitlines()
    shown = path.relative_to(root)
    is_data = "testdata" in shown.parts or shown.parts[0] == "fuzz" and path.suffix != ".cpp"
    is_source = path.suffix in SOURCES or path.name in SOURCE_NAMES
    if is_source and not is_data:
        yield from check_source(path, lines)
    if text and not text.endswith("\n") and not is_data:
        yield len(lines), "the last line should end"
    for number, line in enumerate(lines, 1):
        if match := MACHINE_PATH.search(line):
            yield number, f"{match.group()} is a path of one machine"
        if match := REGISTRY.search(line):
            yield number, f"{match.group()} is a package registry; the machine's own settings name those"
    if path.suffix == ".md" and not is_data:
        yield from check_links(root, path, text)


def check(root):
    complaints = []
    count = 0
    for path in files_of(root):
        if path.is_symlink() or not path.is_file():
            continue
        count += 1
        for number, problem in check_file(root, path):
            complaints.append(f"{path.relative_to(root)}:{number}: {problem}")
    return count, complaints


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    count, complaints = check(root)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"{len(complaints)} complaints in {count} files")
        return 1
    print(f"{count} files are in form")
    return 0


if __name__ == "__main__":
    sys.exit(main())
