#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A fork while another thread makes the first site of the process: the child can make sites, too."""
import support


def test_a_child_forked_while_the_first_site_is_made_does_not_wait_for_ever(folder):
    done = support.run([support.program("first_site_forks")], cwd=folder)
    assert done.returncode == 0, support.shown(done)
    assert done.stdout == "the child made a site\n", support.shown(done)


if __name__ == "__main__":
    support.main(globals())
