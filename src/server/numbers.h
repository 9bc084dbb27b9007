// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers in commands, read and written the way Redis does.

#include <cstdint>
#include <string>
#include <string_view>

namespace ullage::server {

// strtold over all of it: no spaces around, no NaN; "inf" is a number.
bool parse_real(std::string_view text, long double& value);
// 17 digits behind the point, without zeros at the end: "10.6", "5000", "-0.25".
std::string write_real(long double value);

bool equals_ignoring_case(std::string_view one, std::string_view other);
std::string lower_case(std::string_view text);

}  // namespace ullage::server
