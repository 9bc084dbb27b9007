#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the diagram in the root CMakeLists.txt law.

    tools/check_layers.py [ROOT]

Modules share one include root, so the compiler cannot stop an upward include; this can. It reads the
ullage_module/ullage_agent/ullage_program lines and checks every #include below src/ and
include/ullage/: a folder includes what it names after USES, a third-party header stays in its home
and out of every header, and a guest (the agent and what it links) includes nothing but libc and the
freestanding parts of the standard library's headers.
"""
import pathlib
import re
import sys

# A package's headers, and the modules that are its home. They appear in .cpp files only.
HOMES = {
    "CLI11": (r"CLI/", {"cli"}),
    "toml++": (r"toml\+\+/", {"contract"}),
    "elfutils": (r"(elfutils/|dwarf\.h|libelf\.h|gelf\.h|libdw)", {"trace"}),
    "zstd": (r"(zstd|zdict)[a-z_]*\.h", {"record", "trace"}),
    "libcurl": (r"curl/", {"launch"}),
    "nlohmann-json": (r"nlohmann/", {"trace", "server", "document"}),
    "libarchive": (r"archive(_entry)?\.h", {"trace"}),
    "openssl": (r"openssl/", {"tls"}),
    "rocksdb": (r"rocksdb/", {"tier/cold"}),
    "zlib": (r"(zlib|zconf)\.h", {"trace", "diagnose"}),
}
# Headers of the test libraries: in tests, and in headers that only tests include.
TEST_ONLY = r"(gtest|gmock)/"
TEST_FILES = r"(_test\.cpp|_contract\.h|_testing\.h)$"
BENCH_ONLY = r"benchmark/"
# Rivals of the library's containers: in headers that only tests include, to prove the contracts.
RIVALS = r"(absl|boost|tsl)/"
RIVAL_FILES = r"_testing\.h$"
# The library needs no package. Memory that grows in place, files and vector instructions need the
# system's own headers: in its inner part, and in tests.
SYSTEM_IN_LIBRARY = r"^include/ullage/(detail/|.*(_test|_fuzz)\.cpp$|.*_testing\.h$)"

# C, POSIX, Linux and the compiler. A header that is in no list here has no home yet.
SYSTEM = re.compile(
    r"(sys|linux|asm|arpa|net|netinet)/|"
    r"(alloca|assert|byteswap|cpuid|ctype|cxxabi|dirent|dlfcn|elf|endian|errno|execinfo|fcntl|features|"
    r"fenv|float|fnmatch|ftw|getopt|glob|grp|immintrin|inttypes|langinfo|libgen|limits|link|locale|"
    r"malloc|math|mntent|netdb|poll|pthread|pty|pwd|regex|sched|semaphore|setjmp|signal|spawn|stdalign|"
    r"stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|syscall|syslog|termios|time|"
    r"ucontext|unistd|unwind|utime|wchar|wctype|wordexp|x86intrin|xmmintrin|emmintrin|nmmintrin|arm_neon)\.h$")
STANDARD = re.compile(r"[a-z_]+[0-9]*$")  # <vector>, <cstdint>, ...

INCLUDE = re.compile(r'^\s*#\s*include(?:_next)?\s*([<"])([^>"]+)[>"]')
CALL = re.compile(r"^ullage_(module|agent|plugin|program)\(([^)]*)\)", re.MULTILINE)


def read_diagram(cmake):
    """The modules in order: {name: modules it may use}, and the set of guests."""
    uses, guests, complaints = {}, set(), []
    text = re.sub(r"#.*", "", cmake.read_text())
    for kind, arguments in CALL.findall(text):
        words = arguments.split()
        sections = {"USES": [], "LINK_PACKAGES": [], "MAIN": [], "EMBED": [], "APART": []}
        section = None
        for word in words[1:]:
            if word in sections:
                section = word
            elif section:
                sections[section].append(word)
        name, used = words[0], sections["USES"]
        for other in used:
            if other not in uses:
                complaints.append(f"{cmake.name}: '{name}' uses '{other}', which is not named above it")
        if kind != "program":
            uses[name] = used
        if kind == "agent":
            guests |= {name, *used}
    return uses, guests, complaints


def check_file(path, shown, module, uses, guests):
    """Complaints about the includes of one file. module is None in the public library."""
    complaints = []
    is_header = path.suffix == ".h"
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, header = match.groups()
        problem = None
        if bracket == '"':
            problem = check_own(header, module, uses)
        elif header.startswith("ullage/"):
            if module in guests:
                problem = f"'{module}' lives in other people's processes and may not use the library"
        else:
            problem = check_foreign(header, module, is_header, shown)
        if problem:
            complaints.append(f"{shown}:{number}: {problem}")
    return complaints


def module_of(folders, uses):
    """The module that a file in these nested folders belongs to: a module may lie within another."""
    for length in range(len(folders), 0, -1):
        if "/".join(folders[:length]) in uses:
            return "/".join(folders[:length])
    return None


def check_own(header, module, uses):
    if module is None:
        return f'the public library includes <...> only, so that it stands alone (found "{header}")'
    if "/" not in header:
        return f'write "{header}" from the root of src/: "{module}/.../{header}"'
    folder = module_of(header.split("/")[:-1], uses)
    if folder is None:
        return f"'{header.split('/')[0]}' is no module of CMakeLists.txt"
    if folder != module and folder not in uses[module]:
        allowed = " ".join(uses[module]) or "nothing"
        return f"'{module}' may not use '{folder}' (it may use: {allowed})"
    return None


def check_foreign(header, module, is_header, shown):
    if STANDARD.match(header) or (SYSTEM.match(header) and module is not None):
        return None
    if module is None and SYSTEM.match(header):
        if re.search(SYSTEM_IN_LIBRARY, shown):
            return None
        return f"the library meets the system in include/ullage/detail only, not <{header}> here"
    if re.match(TEST_ONLY, header):
        return None if re.search(TEST_FILES, shown) else f"<{header}> belongs in *_test.cpp"
    if re.match(RIVALS, header):
        return None if re.search(RIVAL_FILES, shown) else f"<{header}> belongs in *_testing.h"
    if re.match(BENCH_ONLY, header):
        return None if shown.endswith("_bench.cpp") else f"<{header}> belongs in *_bench.cpp"
    for package, (pattern, homes) in HOMES.items():
        if not re.match(pattern, header):
            continue
        if module not in homes:
            return f"{package} is at home in {' and '.join(sorted(homes))}, not in '{module or 'ullage'}'"
        if is_header:
            return f"{package} may not appear in a header; include <{header}> from a .cpp file"
        return None
    return f"<{header}> has no home; name it in HOMES of tools/check_layers.py, and in the README"


def check(root):
    uses, guests, complaints = read_diagram(root / "CMakeLists.txt")
    files = 0
    for folder in ("include", "src"):
        for path in sorted((root / folder).rglob("*")):
            shown = path.relative_to(root)
            if path.suffix not in (".h", ".cpp", ".def", ".inc") or "testdata" in shown.parts:
                continue
            module = module_of(shown.parts[1:-1], uses) if folder == "src" else None
            if folder == "src" and module is None:
                complaints.append(f"{shown}: src/{shown.parts[1]} is no module of CMakeLists.txt")
                continue
            # Tests of the public headers stand beside them and may use what tests use.
            files += 1
            complaints += check_file(path, str(shown), module, uses, guests)
    return files, complaints


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    files, complaints = check(root)
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"{len(complaints)} complaints in {files} files. The diagram is CMakeLists.txt.")
        return 1
    print(f"{files} files keep to the layers of CMakeLists.txt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
