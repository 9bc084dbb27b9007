#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format has nothing to change.

    tools/check_format.py [ROOT] [--fix]

Exits with 77 (skipped) where clang-format is not installed. --fix formats in place instead.
"""
import pathlib
import re
import shutil
import subprocess
import sys

FOLDERS = ("include", "src", "fuzz", "tests", "examples", "bench")


def main():
    arguments = [a for a in sys.argv[1:] if a != "--fix"]
    root = pathlib.Path(arguments[0] if arguments else ".").resolve()
    clang_format = shutil.which("clang-format")
    if not clang_format:
        print("clang-format is not installed (make setup)")
        return 77
    files = [str(path.relative_to(root)) for folder in FOLDERS for path in sorted((root / folder).rglob("*"))
             if path.suffix in (".h", ".cpp") and "testdata" not in path.parts]
    if not files:
        return 0
    if "--fix" in sys.argv:
        subprocess.run([pathlib.Path(__file__).with_name("wrap_comments.py"), *files], cwd=root, check=True)
        return subprocess.run([clang_format, "-i", *files], cwd=root).returncode
    seen = subprocess.run([clang_format, "--dry-run", *files], cwd=root, stderr=subprocess.PIPE, text=True)
    places = re.findall(r"^(\S+?):(\d+):\d+: ", seen.stderr, flags=re.MULTILINE)
    first = {file: line for file, line in reversed(places)}
    for file in sorted(first):
        print(f"{file}:{first[file]}: not as .clang-format says")
    if first or seen.returncode:
        print(f"{len(first)} of {len(files)} files. Run `make format`.")
        return 1
    print(f"{len(files)} files are formatted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
