// SPDX-License-Identifier: Apache-2.0
//
// Names are outside bytes: symbol tables of other people's programs. Whatever they hold, tidying
// stays within its bounds and the tables answer.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "trace/native/names.h"
#include "trace/native/names_container.h"
#include "trace/native/names_rust.h"
#include "trace/native/names_tidy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ullage;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  evidence::Frame frame;
  // The C++ demangler of the system is not ours to fuzz.
  frame.function = text.starts_with("_Z") && !text.starts_with("_ZN") ? trace::tidy_function(text)
                                                                      : trace::tidy_type(text);
  if (trace::tidy_type(text).size() > 2 * text.size() + 64) std::abort();
  if (auto rust = trace::demangle_rust(text); rust && rust->size() > 2 * trace::kNameBytesMax)
    std::abort();
  for (std::string_view prefix : {"_R", "_ZN"})
    static_cast<void>(trace::demangle_rust(std::string(prefix).append(text)));
  static_cast<void>(trace::tidy_function(text));
  static_cast<void>(trace::growth_name(text));
  static_cast<void>(trace::growth_name(frame.function));
  static_cast<void>(trace::library_frame(frame));
  frame.function = text;
  static_cast<void>(trace::library_frame(frame));
  static_cast<void>(trace::known_size(trace::container_name(text).element));
  static_cast<void>(trace::template_arguments(text));
  return 0;
}
