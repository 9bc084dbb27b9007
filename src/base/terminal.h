// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the thing behind a file descriptor can show.

namespace ullage {

bool is_terminal(int fd);

// Columns of the terminal behind fd; COLUMNS, then `fallback`, when it is none or doesn't say.
// Never below 40 nor above 160: longer lines are hard to read.
int terminal_width(int fd, int fallback = 100);

// Colour only for a terminal, and never when NO_COLOR is set and not empty (no-color.org) or
// TERM is "dumb".
bool terminal_colour(int fd);

}  // namespace ullage
