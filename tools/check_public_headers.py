#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each header of include/ullage compiles alone, without a warning, with every compiler at hand; for 32
bits, too, where the compiler has a library for it (g++-multilib).

    tools/check_public_headers.py [ROOT]
"""
import os
import pathlib
import shutil
import subprocess
import sys

FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion",
         "-Werror", "-x", "c++"]


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    wanted = dict.fromkeys([os.environ.get("CXX", "c++"), "clang++"])
    compilers = [c for c in wanted if shutil.which(c)]
    if not compilers:
        print("no C++ compiler found")
        return 77
    headers = [h for h in sorted((root / "include/ullage").rglob("*.h"))
               if not h.name.endswith(("_contract.h", "_testing.h"))]
    ways = [[c] for c in compilers]
    ways += [[c, "-m32"] for c in compilers
             if subprocess.run([c, "-m32", *FLAGS, "-"], input="#include <string>\n", text=True,
                               stderr=subprocess.DEVNULL).returncode == 0]
    each = [f'#include <{header.relative_to(root / "include")}>\n' for header in headers]
    failed = 0
    for way in ways:
        for text in ["".join(each)] if "-m32" in way else each:
            # Through stdin, because a header as the main file warns about its #pragma once.
            failed += subprocess.run([*way, *FLAGS, f"-I{root / 'include'}", "-"], input=text,
                                     text=True).returncode != 0
    print(f"{len(headers)} headers, {', '.join(' '.join(w) for w in ways)}: {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
