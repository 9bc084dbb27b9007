// SPDX-License-Identifier: Apache-2.0
#pragma once

// A Go binary as an artefact of its own: toolchain, module and build ids. What it says of the other
// artefacts of an incident goes through ReadOptions::go_binaries and recover_calls().

#include <cstdint>
#include <span>

#include "base/result.h"
#include "evidence/evidence.h"
#include "trace/input.h"
#include "trace/readers.h"

namespace ullage::trace {

// True for 64-bit little-endian ELF programs; whether Go built one shows further inside.
bool sniff_go_binary(std::span<const std::uint8_t> first_bytes);
// The binary as an artefact of the incident: toolchain, module, build ids, what can't be decoded.
evidence::Evidence describe_go_binary(const GoBinary& binary, const Input& input);

}  // namespace ullage::trace
