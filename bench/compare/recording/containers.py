# SPDX-License-Identifier: Apache-2.0
"""Lists and dicts that grow: what CPython asks its allocator for.

`small` does a third of the work, for PYTHONMALLOC=malloc where every object is a malloc.
"""
import sys

count = 250_000 if "small" in sys.argv else 750_000
index = {}
names = []
for number in range(count):
    name = "customer-%d" % number
    names.append(name)
    index[name] = number
total = sum(index[name] for name in names)
joined = ",".join(names)
print(total, len(joined))
