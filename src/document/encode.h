// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values written in the form of value.h, at the end of a string.
//
//   std::string out;
//   const std::size_t array = begin_container(out);
//   put_integer(out, 7), put_string(out, "seven");
//   end_container(out, array, tag::kArray, 2);
//
// A container's header is known when it ends; what lies in it then moves up to it: at most once per
// level, and never more than 64 KiB.

#include <cstdint>
#include <string>
#include <string_view>

#include "document/value.h"

namespace ullage::document {

void put_null(std::string& out);
void put_boolean(std::string& out, bool value);
void put_integer(std::string& out, std::int64_t value);
void put_unsigned(std::string& out, std::uint64_t value);  // any; beyond int64 if it must be
void put_real(std::string& out, double value);             // finite
void put_string(std::string& out, std::string_view text);
// The header of a string, and of a container; at most kHeaderBytesMax.
inline constexpr std::size_t kHeaderBytesMax = 9;
void put_string_header(std::string& out, std::size_t bytes);
void put_header(std::string& out, std::uint8_t container, std::size_t body_bytes,
                std::size_t count);

std::size_t begin_container(std::string& out);
void end_container(std::string& out, std::size_t begun, std::uint8_t container, std::size_t count);

}  // namespace ullage::document
