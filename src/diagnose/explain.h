// SPDX-License-Identifier: Apache-2.0
#pragma once

// A page per detector: what happens inside the runtime, how to see it with stock tools, how to fix
// it, and when to ignore it. They are the files of docs/explain, carried by the program.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ullage::diagnose {

struct Page {
  std::string_view name;     // "go-forced-gc"
  std::string_view summary;  // its first sentence
  std::string_view text;     // Markdown
};
// Those of detectors in the order of the registry, then the others by name.
const std::vector<Page>& pages();

// kNotFound with the nearest name when there is none.
Result<Page> page_of(const std::string& name);

// For a terminal of `width` columns: wrapped, headings in bold where `colour`.
std::string page_text(const Page& page, int width, bool colour);
// One line per page.
std::string page_list(int width);

}  // namespace ullage::diagnose
