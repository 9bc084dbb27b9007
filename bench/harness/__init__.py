# SPDX-License-Identifier: Apache-2.0
"""The comparison harness behind bench/run.py. See bench/README.md for how to write a task."""
