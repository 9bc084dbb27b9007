# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share.

A test is a function named test_*, its name a sentence. support.main() runs those of a module (or
only those whose names contain a word of the command line) and exits with 0, with 1 when one failed,
or with 77 when all were skipped, which ctest counts as skipped.
"""
import contextlib
import ctypes
import glob
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

SRC = pathlib.Path(os.environ.get("ULLAGE_SRC", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("ULLAGE_BUILD", SRC / "build/dev"))
BIN = os.environ.get("ULLAGE_BIN", str(BUILD / "bin/ullage"))
AGENT = os.environ.get("ULLAGE_AGENT", str(BUILD / "lib/libullage_agent.so"))
PROGRAMS = BUILD / "tests/programs"
CXX = os.environ.get("CXX", "g++")
FULL = bool(os.environ.get("ULLAGE_TEST_FULL"))
SKIPPED = 77
# Longest single run of a program under test; none needs a tenth of it on an idle machine.
TIMEOUT_S = 300


class Skip(Exception):
    """Raised by a test that can't run here; its text says what is missing."""


def need(*programs):
    """Skips unless every program is there; returns their paths."""
    paths = []
    for program in programs:
        path = shutil.which(str(program))
        if not path:
            raise Skip(f"{program} is not installed")
        paths.append(path)
    return paths


def program(name):
    """A program of tests/programs or examples, as the build made it."""
    for folder in (PROGRAMS, BUILD / "examples"):
        if (folder / name).exists():
            return str(folder / name)
    raise Skip(f"{name} was not built (needs ULLAGE_DEVELOPER=ON)")


def run(command, timeout=TIMEOUT_S, **options):
    """A program's exit code and output as text; a signal counts as 128 + its number."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    done = subprocess.run([str(word) for word in command], timeout=timeout, text=True, errors="replace",
                          **options)
    if done.returncode < 0:
        done.returncode = 128 - done.returncode
    return done


def shown(done):
    """What a failed assertion should tell about a run."""
    return (f"\n  command: {' '.join(map(str, done.args))}\n  exit code: {done.returncode}"
            f"\n  stdout: {(done.stdout or '')[-2000:]}\n  stderr: {(done.stderr or '')[-3000:]}")


def ullage(*words, expect=0, **options):
    done = run([BIN, *words], **options)
    if expect is not None:
        assert done.returncode == expect, f"expected exit code {expect}" + shown(done)
    assert done.returncode in (expect, 0, 1, 2, 3) or expect is None and done.returncode < 134, \
        "crashed" + shown(done)
    return done


class Recorded:
    """The outcome of one `ullage record`: its run, and the recordings it left."""

    def __init__(self, done, folder):
        self.done = done
        self.folder = folder
        self.paths = sorted(glob.glob(f"{glob.escape(str(folder))}/*.ulg"))
        self.root = f"{folder}/out.ulg"

    def reports(self):
        return [diagnose(path) for path in self.paths]


def record(folder, command, *options, expect=0, **run_options):
    """Records a command into its own folder as out.ulg."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="record-", dir=folder))
    done = ullage("record", "-o", folder / "out.ulg", *options, "--", *command, expect=expect, **run_options)
    left = glob.glob(f"{glob.escape(str(folder))}/*.live") + glob.glob(f"{glob.escape(str(folder))}/*.part")
    assert not left, f"live files were left behind: {left}" + shown(done)
    return Recorded(done, folder)


def diagnose(path, *options):
    return json.loads(ullage("diagnose", "--json", *options, path).stdout)


def sites(report, function):
    """Growth sites whose user function, or any frame of its stack, has this name."""
    found = []
    for site in report["growth_sites"]:
        names = [site["user"]["function"], *(frame["function"] for frame in site["stack"])]
        if any(named(name, function) for name in names):
            found.append(site)
    return found


def named(name, function):
    """'(anonymous namespace)::case_vector(Truth&) [clone ...]' is case_vector; case_vector_x is not."""
    at = name.find(function)
    while at >= 0:
        before = name[at - 1] if at else " "
        after = name[at + len(function)] if at + len(function) < len(name) else " "
        if not (before.isalnum() or before == "_") and not (after.isalnum() or after == "_"):
            return True
        at = name.find(function, at + 1)
    return False


def strong(site):
    return site["verdict"].upper() in ("REPORTED", "REALLOC", "CONTENT", "STRUCTURE", "SERIES")


def links(report, function):
    return sum(site["links"] for site in sites(report, function))


def compile_program(source, out, *flags, compiler=None):
    """Compiles C++; Skip when the compiler can't be found."""
    compiler = compiler or CXX.split()[-1]
    need(compiler)
    done = run([compiler, "-std=c++20", *([source] if source else []), "-o", out, *flags])
    assert done.returncode == 0, shown(done)
    return str(out)


def compile_text(text, out, *flags, compiler=None):
    source = pathlib.Path(str(out) + ".cpp")
    source.write_text(text)
    return compile_program(source, out, *flags, compiler=compiler)


def need_reading_of_own_memory():
    """Skips where process_vm_readv is refused (an old container's filter): the agent then ends a stack
    that is not its thread's own at the first frame."""
    byte, copy = ctypes.create_string_buffer(b"x"), ctypes.create_string_buffer(2)
    pieces = [(ctypes.c_size_t * 2)(ctypes.addressof(b), 1) for b in (copy, byte)]
    read = ctypes.CDLL(None, use_errno=True).process_vm_readv
    read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]
    if read(os.getpid(), pieces[0], 1, pieces[1], 1, 0) != 1:
        raise Skip("process_vm_readv is refused here")


@contextlib.contextmanager
def folder():
    """A folder for one test, gone afterwards."""
    path = tempfile.mkdtemp(prefix="ullage-test-")
    try:
        yield pathlib.Path(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def wait_until(condition, what, seconds=TIMEOUT_S):
    """Polls for something another process does; fails saying what did not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {seconds} s")


def stop(process, how=signal.SIGKILL):
    """Ends a process we started and waits for it."""
    if process.poll() is None:
        process.send_signal(how)
    return process.wait(timeout=TIMEOUT_S)


def check_built():
    for path in (BIN, AGENT):
        if not os.path.exists(path):
            print(f"{path} is not built")
            sys.exit(SKIPPED)


def main(tests):
    check_built()
    wanted = sys.argv[1:]
    failed, passed, skipped = 0, 0, 0
    for name, test in list(tests.items()):
        if not name.startswith("test_") or wanted and not any(word in name for word in wanted):
            continue
        sentence = name[5:].replace("_", " ")
        begin = time.monotonic()
        try:
            with folder() as where:
                test(where)
            passed += 1
            print(f"ok    {sentence} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"skip  {sentence}: {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {sentence}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0 if passed else SKIPPED)
