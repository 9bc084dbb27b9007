// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fingerprints name a place by what people call it: growth function and user function.
//
// They hold no address, line, path, clone number or hash of the compiler, so they stay the same
// when the program is rebuilt, edited elsewhere, or recorded on another machine. A frame without
// a trustworthy symbol counts as its module, and then the first named frame further out is added,
// so that a stripped library does not become one single place.

#include <string>
#include <string_view>

#include "evidence/evidence.h"

namespace ullage::diagnose {

// 16 hex digits. `kind` is the detector's name, or "place" for the place alone.
std::string fingerprint(std::string_view kind, const evidence::Frame& growth,
                        const evidence::Frame& user, const evidence::Stack& stack);
std::string place_fingerprint(const evidence::GrowthSite& site);

// The same for the n-th (from 2) of several things that would share `fingerprint`.
std::string nth_fingerprint(std::string_view fingerprint, std::size_t n);

// A symbol without what a rebuild changes: ".isra.0", ".part.3", ".llvm.123", Rust's "::h<16 hex>",
// "[abi:cxx11]", and white space.
std::string stable_name(std::string_view function);

}  // namespace ullage::diagnose
