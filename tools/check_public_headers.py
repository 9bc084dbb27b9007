#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each header of include/ullage compiles alone, without a warning, with every compiler at hand.

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
    failed = 0
    for compiler in compilers:
        for header in headers:
            # Through stdin, because a header as the main file warns about its #pragma once.
            text = f'#include <{header.relative_to(root / "include")}>\n'
            failed += subprocess.run([compiler, *FLAGS, f"-I{root / 'include'}", "-"], input=text,
                                     text=True).returncode != 0
    print(f"{len(headers)} headers, {len(compilers)} compilers, {failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
