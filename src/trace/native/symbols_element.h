// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the container of a growth function stores, from the function's DWARF entry: the class of its
// `this`, that class's template parameters, the size of the right one. Where DWARF has no answer
// the function's name is read (names_container.h).

#include <string_view>

#include "trace/native/symbols.h"

namespace ullage::trace {

// `die` is a Dwarf_Die* (whose header stays out of this one) of the function or of its inlined
// copy; `function` its name as demangle() gives it.
Symbolizer::Element element_of(void* die, std::string_view function);

// The same from the name alone.
Symbolizer::Element element_of_name(std::string_view function);

}  // namespace ullage::trace
