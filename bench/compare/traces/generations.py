#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds the generations of a Go execution trace by its batch headers alone.

    generations.py FILE...                 their size, and that of the largest generation
    generations.py FILE --part BYTES OUT   copies whole generations until there are that many bytes
"""
import mmap
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def ends(data):
    """Where each generation ends."""
    at, number, found = 16, 0, []
    while at < len(data):
        kind, begin = data[at], at
        at += 1
        if kind == 52:
            found.append(at)
            number = 0
            continue
        if kind == 49:
            at += 1
        generation, at = varint(data, at)
        _, at = varint(data, at)
        _, at = varint(data, at)
        size, at = varint(data, at)
        at += size
        if number not in (0, generation):
            found.append(begin)
        number = generation
    if not found or found[-1] != len(data):
        found.append(len(data))
    return found


def measure(paths):
    total = largest = 0
    for path in paths:
        with open(path, "rb") as file, \
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = ends(data)
            total += len(data)
            largest = max([largest] + [b - a for a, b in zip([16] + found, found)])
    print(f"bytes {total} B")
    print(f"generation_mib {largest / (1 << 20):.1f} MiB")


def copy_part(path, wanted, out_path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = ends(data)
        end = next((e for e in found if e >= wanted), found[-1])
        with open(out_path, "wb") as out:
            out.write(data[:end])


def main():
    if len(sys.argv) == 5 and sys.argv[2] == "--part":
        copy_part(sys.argv[1], int(sys.argv[3]), sys.argv[4])
    else:
        measure(sys.argv[1:])


if __name__ == "__main__":
    main()
