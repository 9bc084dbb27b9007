// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text for terminals: columns counted in characters rather than bytes, and wrapping.
// Input may be any bytes; what is not UTF-8 is replaced by U+FFFD, control characters by '?'.

#include <cstddef>
#include <string>
#include <string_view>

namespace ullage {

// Valid UTF-8 without control characters; '\n' and '\t' are kept.
std::string clean_utf8(std::string_view text);

// Columns the text takes, one per code point (combining marks and wide characters are not told
// apart: a line may come out a column or two off, never broken inside a character).
std::size_t columns(std::string_view utf8);

// At most `width` columns, the last one being an ellipsis where something was cut.
std::string shorten(std::string_view utf8, std::size_t width);

// The word as a shell reads it back: as it is, in quotes, or, where a terminal would not show it as
// it is (control characters, no UTF-8), as bash, zsh and ksh have it: $'one\x0atwo'.
std::string shell_word(std::string_view word);

// Wraps at spaces into lines of at most `width` columns. The first line starts with `first`, the
// others with `rest` (both counted in the width). A number stays with the word after it
// ("412 ms", "48 213 991"), a sign with its number ("< 5 s"). A word longer than the
// line stands alone, uncut.
std::string wrap(std::string_view utf8, std::size_t width, std::string_view first,
                 std::string_view rest);

}  // namespace ullage
