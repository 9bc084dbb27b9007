// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parts of the HTML page as they stand in html/*.inc. Each of those files is ordinary HTML, CSS
// or JavaScript between a first and a last line that make it a C++ raw string, so the build needs
// no extra step and rebuilds when they change.

#include <string>
#include <string_view>

namespace ullage::diagnose {

// Holds {{title}}, {{nonce}}, {{style}}, {{data}} and {{script}}.
std::string_view html_page();
std::string_view html_style();
// All scripts, joined in the order they need each other.
const std::string& html_script();

}  // namespace ullage::diagnose
