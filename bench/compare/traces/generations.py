#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds the generations of a Go execution trace by its batch headers alone.

    generations.py FILE                    its size, and that of its largest generation
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


def main():
    with open(sys.argv[1], "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        found = ends(data)
        if len(sys.argv) > 2:
            wanted = int(sys.argv[3])
            end = next((e for e in found if e >= wanted), found[-1])
            with open(sys.argv[4], "wb") as out:
                out.write(data[:end])
            return
        largest = max(b - a for a, b in zip([16] + found, found))
        print(f"bytes {len(data)} B")
        print(f"generation_mib {largest / (1 << 20):.1f} MiB")


if __name__ == "__main__":
    main()
