#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line: help, messages, completion, the man page, exit codes, every form of report, and
recordings that are torn, bent or hostile."""
import gzip
import json
import os
import random
import re
import shutil
import subprocess

import support
from support import shown, ullage

VERBS = ["record", "diagnose", "explain", "diff", "contract", "completion", "man", "version"]
SEED = int(os.environ.get("ULLAGE_SEED", 20261122))
RECORDING = None


def recording(folder):
    """One recording that several tests read; made on first use, kept in memory."""
    global RECORDING
    if RECORDING is None:
        made = support.record(folder, [support.program("order_service"), "--orders=20000"])
        with open(made.root, "rb") as file:
            RECORDING = file.read()
    path = folder / "app.ulg"
    path.write_bytes(RECORDING)
    return path


def long_options(verb):
    return set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", ullage(verb, "--help").stdout, re.MULTILINE))


# Help.

def test_the_front_page_leads_with_the_main_job_and_names_every_verb(_):
    done = ullage("--help")
    lines = done.stdout.splitlines()
    assert len(lines) < 24, "the front page is one screen"
    assert "ullage record --" in lines[2], lines[:4]
    for verb in VERBS:
        assert re.search(rf"^  {verb} ", done.stdout, re.MULTILINE), verb
    assert ullage(expect=2).stderr == done.stdout, "without words it is shown, and an error"
    assert ullage("help").stdout == done.stdout


def test_every_verb_explains_itself_with_an_example(_):
    for verb in VERBS:
        done = ullage(verb, "--help")
        assert re.search(rf"^  .*ullage {verb}", done.stdout, re.MULTILINE), f"{verb}: no example" + shown(done)
        assert "Usage: ullage " + verb in done.stdout, shown(done)
        assert all(len(line) <= 100 for line in done.stdout.splitlines()), f"{verb}: long lines"
        assert ullage("help", verb).stdout == done.stdout


def test_the_version_is_that_of_the_header(_):
    header = (support.SRC / "include/ullage/version.h").read_text()
    version = re.search(r'kVersionString = "([^"]+)"', header).group(1)
    for words in (["version"], ["--version"]):
        assert ullage(*words).stdout.startswith(f"ullage {version}"), words


def test_the_man_page_lists_every_verb_and_option(_):
    page = ullage("man").stdout
    plain = page.replace("\\-", "-")
    for verb in VERBS:
        assert f"ullage {verb}" in plain, verb
        for option in long_options(verb):
            assert option in plain, f"{verb} {option}"
    man, = support.need("man")
    done = support.run([man, "--warnings", "-l", "-"], input=page, stdin=None)
    assert done.returncode == 0 and "warning" not in done.stderr, shown(done)
    assert "reserve" in done.stdout, shown(done)


def test_completion_scripts_are_understood_by_their_shells(folder):
    for shell in ("bash", "zsh", "fish"):
        script = ullage("completion", shell).stdout
        for verb in VERBS:
            assert verb in script, f"{shell}: {verb}"
        assert "fail-on" in script, shell
        path = folder / shell
        path.write_text(script)
        if shutil.which(shell):
            done = support.run([shell, "-n", path])
            assert done.returncode == 0, shown(done)


def complete(folder, *words):
    script = folder / "completion"
    script.write_text(ullage("completion", "bash").stdout)
    line = " ".join(f"'{word}'" for word in words)
    done = support.run(["bash", "-c", f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
                                      "_ullage; printf '%s\\n' \"${COMPREPLY[@]}\""], cwd=folder)
    assert done.returncode == 0, shown(done)
    return done.stdout.split()


def test_bash_completes_verbs_options_and_files(folder):
    (folder / "app.ulg").write_text("")
    assert complete(folder, "ullage", "dia") == ["diagnose"]
    assert complete(folder, "ullage", "diagnose", "--fai") == ["--fail-on"]
    assert complete(folder, "ullage", "diagnose", "app") == ["app.ulg"]
    assert complete(folder, "ullage", "completion", "f") == ["fish"]
    assert "true" in complete(folder, "ullage", "record", "--", "tru")


# Messages.

def test_a_typo_is_answered_with_the_nearest_word(_):
    done = ullage("diagnos", expect=2)
    assert "Did you mean diagnose?" in done.stderr and not done.stdout, shown(done)
    done = ullage("diagnose", "--fail-no=any", "x.ulg", expect=2)
    assert "Did you mean --fail-on?" in done.stderr, shown(done)
    assert "Did you mean" not in ullage("frobnicate", expect=2).stderr


def test_messages_say_what_where_and_what_next(folder):
    path = recording(folder)
    for words, expected in (
            (["record"], "ullage record -- "),
            (["record", "--sample=lots", "--", "true"], "512K"),
            (["record", "--max-size=1K", "--", "true"], "at least 4MiB"),
            (["record", "--depth=1025", "--", "true"], "at most 1 024 frames.\n  The default, 512,"),
            (["record", "--depth=0", "--", "true"], "at least 2 frames"),
            (["record", "--finish=x", "--", "true"], "--finish"),
            (["diagnose"], "FILE"),
            (["diagnose", "--top=few", path], "'few' is not a whole number"),
            (["diagnose", "--stall-bound=5", path], "--stall-bound"),
            (["diagnose", "--fail-on=nonsense", path], "nonsense"),
            (["diagnose", "--fail-on=new", path], "--baseline"),
            (["diagnose", "--json", "--sarif", path], "only one"),
            (["diagnose", "--html", path, path], "--html=report"),
            (["diff", path], "one more"),
            (["completion", "csh"], "bash, zsh, fish")):
        done = ullage(*words, expect=2)
        assert expected in done.stderr and not done.stdout, f"'{expected}' should be in" + shown(done)


def test_files_that_are_no_recordings_are_refused_by_name(folder):
    (folder / "empty.ulg").write_text("")
    (folder / "text.ulg").write_text("this is a shopping list\n" * 1000)
    for path in (folder / "missing.ulg", folder / "empty.ulg", folder / "text.ulg", folder, "/dev/null"):
        done = ullage("diagnose", path, expect=3)
        assert str(path) in done.stderr and len(done.stderr) > len(str(path)) + 20, shown(done)
    assert "is empty" in ullage("diagnose", folder / "empty.ulg", expect=3).stderr
    good = recording(folder)
    done = ullage("diagnose", folder / "missing.ulg", good, expect=3)
    assert "finding" in done.stdout, "the good one is shown all the same" + shown(done)


# Forms.

def test_every_form_is_written_where_it_was_asked_for(folder):
    path = recording(folder)
    names = {form: folder / f"out.{form}" for form in ("json", "sarif", "html", "pprof", "perfetto", "folded")}
    done = ullage("diagnose", path, *(f"--{form}={out}" for form, out in names.items()))
    assert "repeated-growth" in done.stdout, "text goes to standard output" + shown(done)
    assert json.loads(names["json"].read_text())["findings"]
    assert json.loads(names["sarif"].read_text())["version"] == "2.1.0"
    assert "traceEvents" in json.loads(names["perfetto"].read_text())
    assert names["html"].read_text().lstrip().lower().startswith("<!doctype html>")
    assert len(gzip.decompress(names["pprof"].read_bytes())) > 100
    assert re.fullmatch(r"(\S.* \d+\n)+", names["folded"].read_text())
    for out in names.values():
        assert os.stat(out).st_mode & 0o777 == 0o600, out


def test_one_form_may_go_to_standard_output(folder):
    path = recording(folder)
    for form in ("json", "sarif", "html", "perfetto", "folded"):
        done = ullage("diagnose", path, f"--{form}")
        assert "Next:" not in done.stdout.splitlines()[-1], f"{form} is alone" + shown(done)
        assert ullage("diagnose", path, f"--{form}=-").stdout == done.stdout
    raw = subprocess.run([support.BIN, "diagnose", str(path), "--pprof"], capture_output=True, check=True).stdout
    assert len(gzip.decompress(raw)) > 100


def test_several_recordings_have_a_section_each_and_one_array(folder):
    path = recording(folder)
    other = folder / "b.ulg"
    shutil.copy(path, other)
    done = ullage("diagnose", path, other)
    assert f"== {path} ==" in done.stdout and f"== {other} ==" in done.stdout, shown(done)
    both = json.loads(ullage("diagnose", "--json", path, other).stdout)
    assert [one["process"]["source"] for one in both] == [str(path), str(other)]
    ullage("diagnose", path, other, f"--html={folder}/page.html")
    assert (folder / "page.app.html").exists() and (folder / "page.b.html").exists(), os.listdir(folder)


def test_reports_that_cannot_be_written_are_named(folder):
    path = recording(folder)
    done = ullage("diagnose", path, f"--json={folder}/no/such/folder.json", expect=3)
    assert "no/such/folder.json" in done.stderr, shown(done)
    with open("/dev/full", "w", encoding="ascii") as full:
        done = support.run([support.BIN, "diagnose", path], stdout=full)
    assert done.returncode == 3 and "standard output" in done.stderr, shown(done)


def test_what_could_not_be_printed_is_an_error(_):
    for words in (["--help"], ["record", "--help"], ["man"], ["completion", "bash"], ["version"], ["explain"]):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = support.run([support.BIN, *words], stdout=full)
        assert done.returncode == 3 and "standard output can't be written" in done.stderr, (words, shown(done))


def test_a_report_never_takes_the_place_of_what_is_read_or_written(folder):
    path = recording(folder)
    before = path.read_bytes()
    (folder / "other-name.ulg").symlink_to(path)
    there = set(os.listdir(folder))
    for words in ([f"--html={path}"], [f"--json={folder}/./app.ulg"], [f"--pprof={folder}/other-name.ulg"],
                  [f"--json={folder}/x", f"--html={folder}/x"]):
        done = ullage("diagnose", *words, path, expect=2)
        assert "would replace" in done.stderr, shown(done)
    done = ullage("diff", f"--json={path}", path, path, expect=2)
    assert "would replace" in done.stderr, shown(done)
    assert path.read_bytes() == before and set(os.listdir(folder)) == there, os.listdir(folder)
    ullage("diagnose", "--json=/dev/null", "--html=/dev/null", path)


def test_top_and_site_choose_what_is_shown(folder):
    path = recording(folder)
    one = ullage("diagnose", "--top=1", path).stdout
    assert len(one) < len(ullage("diagnose", "--top=0", path).stdout)
    report = json.loads(ullage("diagnose", "--json", "--site=LogBuffer", path).stdout)
    assert report["findings"], "LogBuffer grows"
    for finding in report["findings"]:
        assert "LogBuffer" in json.dumps(finding), finding
    assert not json.loads(ullage("diagnose", "--json", "--site=no-such-place", path).stdout)["findings"]


def test_colour_is_for_terminals_and_for_those_who_ask(folder):
    path = recording(folder)
    assert "\x1b[" not in ullage("diagnose", path).stdout
    assert "\x1b[" in ullage("diagnose", "--colour", path).stdout
    assert ullage("diagnose", "--no-progress", path).stderr == ""


def on_terminal(*words):
    """What a run writes to a standard error that is a terminal."""
    controller, terminal = os.openpty()
    try:
        done = support.run([support.BIN, *words], stderr=terminal)
        assert done.returncode == 0, done.stdout
        os.set_blocking(controller, False)
        return os.read(controller, 1 << 16).decode()
    except BlockingIOError:
        return ""
    finally:
        os.close(terminal)
        os.close(controller)


def test_progress_is_shown_on_a_terminal_and_leaves_nothing_behind(folder):
    path = recording(folder)
    shown_there = on_terminal("diagnose", path)
    steps = [int(step) for step in re.findall(r"\] (\d+) %", shown_there)]
    assert len(steps) > 1 and steps == sorted(steps) and steps[-1] == 100, shown_there
    assert path.name in shown_there and shown_there.endswith("\r\x1b[K"), shown_there
    assert on_terminal("diagnose", "--no-progress", path) == ""
    assert ullage("diagnose", path).stderr == "", "a file is no terminal"


def test_the_next_line_runs_when_it_is_pasted(folder):
    path = folder / "o'clock of app.ulg"
    recording(folder).rename(path)
    for words in ([], ["--top=1"]):
        line = ullage("diagnose", *words, path).stdout.splitlines()[-1]
        assert line.startswith("Next: ullage "), line
        done = support.run(["sh", "-c", line.replace("Next: ullage", f"'{support.BIN}'", 1)], cwd=folder)
        assert done.returncode == 0, line + shown(done)
    assert (folder / "report.html").exists(), os.listdir(folder)


def test_the_next_line_runs_whatever_the_name(folder):
    name = os.fsencode(folder) + b"/-two\nlines \x1b[1m\xff.ulg"
    os.rename(recording(folder), name)
    done = support.run(["bash", "-c", 'exec "$0" diagnose "$1"', support.BIN, os.fsdecode(name)])
    assert done.returncode == 0 and "\x1b" not in done.stdout, shown(done)
    line = done.stdout.splitlines()[-1].replace("Next: ullage", f"'{support.BIN}'", 1)
    done = support.run(["bash", "-c", line], cwd=folder)
    assert done.returncode == 0 and (folder / "report.html").exists(), line + shown(done)
    os.rename(folder / "report.html", folder / "app")
    done = support.run([support.BIN, "record", "-o", b"-n\x07.ulg", "--", "true"], cwd=folder)
    assert "\x07" not in done.stderr, repr(done.stderr)
    line = done.stderr.splitlines()[-1].replace("Next: ullage", f"'{support.BIN}'", 1)
    done = support.run(["bash", "-c", line], cwd=folder)
    assert done.returncode == 0 and "No findings" in done.stdout, line + shown(done)


def test_a_gate_has_conditions_and_all_of_them_count(folder):
    path = recording(folder)
    for words in (["--fail-on="], ["--fail-on", ""], ["--fail-on=stall>1h,"]):
        ullage("diagnose", *words, path, expect=2)
        ullage("diff", *words, path, path, expect=2)
    done = ullage("diagnose", "--fail-on=growths>5", "--fail-on=stall>1h", path, expect=1)
    assert "growths>5" in done.stderr, shown(done)


def test_the_gate_says_which_condition_held(folder):
    path = recording(folder)
    done = ullage("diagnose", "--fail-on=growths>5,stall>1h", path, expect=1)
    assert "failed: " in done.stderr and "growths>5" in done.stderr, shown(done)
    ullage("diagnose", "--fail-on=stall>1h", path, expect=0)
    for form in ("json", "sarif"):
        baseline = folder / f"known.{form}"
        ullage("diagnose", path, f"--{form}={baseline}")
        done = ullage("diagnose", f"--baseline={baseline}", "--fail-on=new", path, expect=0)
        assert "0 findings not in the baseline" in done.stderr, shown(done)
    empty = folder / "none.json"
    ullage("diagnose", "--site=no-such-place", path, f"--json={empty}")
    ullage("diagnose", f"--baseline={empty}", "--fail-on=new", path, expect=1)
    ullage("diagnose", f"--baseline={folder}/missing", path, expect=3)


# Damage.

def test_a_contract_is_checked_explained_and_judged_by(folder):
    good = folder / "ullage.toml"
    good.write_text('[allocation]\ngrowth_stall = "1h"\n\n[residency]\nprocess = "64MiB"\n')
    checked = ullage("contract", "check", good, "--allocation.copy_ratio=0.25")
    for words in (f"{good}:2", f"{good}:5", "--allocation.copy_ratio", "unset"):
        assert words in checked.stdout, f"{words!r} is missing in:\n{checked.stdout}"
    bad = folder / "bad.toml"
    bad.write_text('[allocation]\ngrowth_stal = "1ms"\n')
    refused = ullage("contract", "check", bad, expect=3)
    assert f"{bad}:2" in refused.stderr, refused.stderr
    assert "Did you mean allocation.growth_stall?" in refused.stderr, refused.stderr
    large = ullage("contract", "check", good, "--residency.process=16TiB", expect=3)
    assert "is more than nine tenths" in large.stderr, large.stderr
    page = ullage("contract", "explain", "allocation.copy_ratio")
    assert "copy_ratio = 0.05" in page.stdout, page.stdout
    for words in (["explain", "allocation.copy_ration"], ["chekc", good], ["check"]):
        ullage("contract", *words, expect=2)

    path = recording(folder)
    ullage("diagnose", path, "--fail-on=violation", expect=2)
    ullage("diagnose", path, "--contract", good, "--fail-on=violation",
           "--residency.process=1GiB")
    broken = ullage("diagnose", path, "--contract", good, "--fail-on=violation",
                    "--residency.process=1GiB", "--allocation.copy_ratio=0.000001", expect=1)
    assert "contract-violation" in broken.stderr, broken.stderr
    assert "against the contract" in broken.stdout, broken.stdout
    ullage("diagnose", path, "--contract", bad, expect=3)


def check_damaged(path, what):
    """A message, or a report that says how much of it was understood."""
    done = ullage("diagnose", "--json", "--no-progress", path, expect=None, timeout=60)
    assert done.returncode in (0, 3), what + shown(done)
    if done.returncode == 3:
        assert len(done.stderr.strip()) > 20, what + shown(done)
        return None
    return json.loads(done.stdout)


def test_truncated_recordings_say_how_much_was_understood(folder):
    whole = recording(folder).read_bytes()
    partial = 0
    for eighth in range(8):
        path = folder / f"cut{eighth}.ulg"
        path.write_bytes(whole[:len(whole) * eighth // 8])
        report = check_damaged(path, f"{eighth}/8")
        if report:
            partial += 1
            assert report["understood"]["notes"], "nobody is told that it is cut"
            text = ullage("diagnose", path).stdout
            assert "understood" in text, text
    assert partial >= 4, f"only {partial} of 7 cut recordings were read"


def test_bent_recordings_never_crash_a_reader(folder):
    bend = random.Random(SEED)
    print(f"      ULLAGE_SEED={SEED}")
    whole = recording(folder).read_bytes()
    path = folder / "bent.ulg"
    for number in range(400 if support.FULL else 60):
        data = bytearray(whole)
        for _ in range(bend.choice((1, 3, 30, 300))):
            # Half of the damage where the structure is: the headers at the front.
            at = bend.randrange(len(data) if bend.random() < 0.5 else min(8192, len(data)))
            data[at] = bend.choice((0, 0xFF, bend.randrange(256), data[at] ^ 1 << bend.randrange(8)))
        path.write_bytes(data)
        check_damaged(path, f"number {number}, seed {SEED}")


def test_a_recording_of_another_version_is_refused_with_a_reason(folder):
    data = bytearray(recording(folder).read_bytes())
    data[4:6] = (99).to_bytes(2, "little")
    path = folder / "future.ulg"
    path.write_bytes(data)
    done = ullage("diagnose", path, expect=3)
    assert "version" in done.stderr and "99" in done.stderr, shown(done)


if __name__ == "__main__":
    support.main(globals())
