#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the worst case of a profile: generate.py FILE.

300 000 samples with random stacks of 8 to 40 frames out of 40 000 functions, 28 MB uncompressed. Real
profiles repeat their stacks; here nearly every sample has its own, so nothing can be folded early.
"""
import random
import sys

SAMPLES, FUNCTIONS, DEPTH_MIN, DEPTH_MAX = 300_000, 40_000, 8, 40
TYPES = [("alloc_objects", "count"), ("alloc_space", "bytes"),
         ("inuse_objects", "count"), ("inuse_space", "bytes")]


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


def main():
    path, = sys.argv[1:]
    chance = random.Random(20260101)
    strings = [""]
    out = bytearray()
    for name, unit in TYPES:
        strings += [name, unit]
        out += message(1, number(1, len(strings) - 2) + number(2, len(strings) - 1))
    strings.append("bytes")
    label_key = number(1, len(strings) - 1)
    ids = [varint(i) for i in range(FUNCTIONS + 1)]
    for _ in range(SAMPLES):
        depth = chance.randint(DEPTH_MIN, DEPTH_MAX)
        stack = b"".join([ids[chance.randrange(FUNCTIONS) + 1] for _ in range(depth)])
        count = chance.randint(1, 60)
        size, live = 16 << chance.randrange(14), count // 3
        values = varint(count) + varint(count * size) + varint(live) + varint(live * size)
        label = message(3, label_key + number(3, size))
        out += message(2, message(1, stack) + message(2, values) + label)
    strings.append("/srv/bin/server")
    out += message(3, number(1, 1) + number(2, 0x400000) + number(3, 0x2000000) +
                   number(5, len(strings) - 1))
    for i in range(1, FUNCTIONS + 1):
        line = number(1, i) + number(2, i % 900 + 1)
        out += message(4, number(1, i) + number(2, 1) + number(3, 0x400000 + 64 * i) + message(4, line))
    for i in range(1, FUNCTIONS + 1):
        strings.append(f"example.org/shop/part{i % 400}.(*Store).step{i}")
        name = len(strings) - 1
        strings.append(f"shop/part{i % 400}/store{i % 5000}.go")
        out += message(5, number(1, i) + number(2, name) + number(3, name) + number(4, name + 1))
    for text in strings:
        out += message(6, text.encode())
    out += number(9, 1_700_000_000_000_000_000)
    with open(path, "wb") as file:
        file.write(out)


main()
