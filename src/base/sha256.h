// SPDX-License-Identifier: Apache-2.0
#pragma once

// SHA-256 (FIPS 180-4), for passwords that are kept as what they hash to. Not for large data: it
// is plain C++, some 200 MB/s. Threads: any.

#include <string>
#include <string_view>

namespace ullage {

// As 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

// Takes as long for any two texts of one length, wherever they differ: its time tells nothing.
bool equal_in_constant_time(std::string_view one, std::string_view other);

}  // namespace ullage
