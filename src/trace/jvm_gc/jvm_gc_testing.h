// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of both log formats share.

#include <gtest/gtest.h>

#include <string>

#include "trace/jvm_gc/reader.h"

namespace ullage::trace::jvm_gc_testing {

using evidence::Incident;

inline Incident read(const std::string& text) {
  auto evidence = read_jvm_gc(Input::from_text("gc.log", text), {});
  EXPECT_TRUE(evidence.ok()) << evidence.error().message;
  return evidence.ok() ? evidence->incident : Incident{};
}

inline std::uint64_t count(const Incident& incident, const std::string& event) {
  for (const auto& [name, times] : incident.event_counts) {
    if (name == event) return times;
  }
  return 0;
}

}  // namespace ullage::trace::jvm_gc_testing
