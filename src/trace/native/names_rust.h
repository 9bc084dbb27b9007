// SPDX-License-Identifier: Apache-2.0
#pragma once

// Rust's linker symbols as Rust paths: legacy (_ZN…17h<hash>E) and v0 (_R…). Hashes, crate
// disambiguators and instantiating crates go; generic arguments stay in v0 (legacy has none).
//
// Input is outside bytes; work is bounded by kRustStepsMax and output by kNameBytesMax.

#include <optional>
#include <string>
#include <string_view>

namespace ullage::trace {

// Grammar steps of one v0 symbol: backreferences let a short symbol ask for endless work. At the
// limit the symbol counts as not understood.
inline constexpr int kRustStepsMax = 20'000;

// Nothing when the symbol is not Rust's, or is damaged.
std::optional<std::string> demangle_rust(std::string_view symbol);

}  // namespace ullage::trace
