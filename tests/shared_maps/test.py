#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Maps that go to and fro between a program and libraries that keep to themselves what they inline.

A library may be built with -fvisibility=hidden, or loaded with RTLD_LOCAL: then what a header calls
static may be there twice. A map works with either side's code, and hooks of the process hear of all.
"""
import pathlib
import shutil

import support

HERE = pathlib.Path(__file__).resolve().parent
COMMON = ("-std=c++20", "-O1", "-pthread", f"-I{support.SRC / 'include'}")
HIDDEN = ("-fPIC", "-shared", "-fvisibility=hidden", "-fvisibility-inlines-hidden")
ALONE = ("-fPIC", "-shared")  # visible to others, but loaded with RTLD_LOCAL


def build(name, source, folder, *flags, compiler=None):
    return support.compile_program(HERE / source, folder / name, *COMMON, *flags, compiler=compiler)


def expect_well(done):
    assert done.returncode == 0 and done.stdout == "", support.shown(done)


def test_a_linked_library_that_hides_what_it_inlines(folder):
    build("libguest.so", "guest.cpp", folder, *HIDDEN)
    host = build("host", "host.cpp", folder, "-DHOST_IS_LINKED", f"-L{folder}", "-lguest",
                 f"-Wl,-rpath,{folder}", "-ldl")
    expect_well(support.run([host]))


def test_two_libraries_that_are_loaded_apart(folder):
    # Without this the loader itself makes one of statics that are there twice, as GCC asks it to.
    apart = ("-fno-gnu-unique",)
    compiler = shutil.which("clang++") or support.CXX
    if "clang" in pathlib.Path(compiler).name:
        apart = ()
    first = build("first.so", "guest.cpp", folder, *ALONE, *apart, compiler=compiler)
    second = build("second.so", "guest.cpp", folder, *HIDDEN, *apart, compiler=compiler)
    host = build("host", "host.cpp", folder, "-ldl")
    expect_well(support.run([host, str(first), str(second)]))


if __name__ == "__main__":
    support.main(globals())
