# SPDX-License-Identifier: Apache-2.0
"""The one error type of the harness: a sentence for the person at the terminal."""


class Problem(Exception):
    """Something the user can mend. The message says what happened, where, and what to do next."""
