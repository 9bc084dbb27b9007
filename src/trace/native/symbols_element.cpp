// SPDX-License-Identifier: Apache-2.0
#include "trace/native/symbols_element.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <string>

#include "trace/native/names_container.h"
#include "trace/native/names_tidy.h"

namespace ullage::trace {
namespace {

// Steps along abstract_origin, specification, typedef and pointer; damaged DWARF may go in circles.
constexpr int kStepsMax = 8;

bool referenced(Dwarf_Die* die, unsigned attribute, Dwarf_Die* result) {
  Dwarf_Attribute value;
  return dwarf_formref_die(dwarf_attr_integrate(die, attribute, &value), result) != nullptr;
}

std::string_view name_of(Dwarf_Die* die) {
  const char* name = dwarf_diename(die);
  return name != nullptr ? name : "";
}

// Through pointers, references, qualifiers and typedefs, to a class that is defined if possible.
bool peel_to_class(Dwarf_Die* type) {
  for (int step = 0; step < kStepsMax; ++step) {
    if (dwarf_peel_type(type, type) != 0) return false;
    switch (dwarf_tag(type)) {
      case DW_TAG_pointer_type:
      case DW_TAG_reference_type:
      case DW_TAG_rvalue_reference_type:
        if (!referenced(type, DW_AT_type, type)) return false;
        break;
      case DW_TAG_class_type:
      case DW_TAG_structure_type:
      case DW_TAG_union_type: {
        Dwarf_Attribute value;
        Dwarf_Die full;
        if (dwarf_hasattr(type, DW_AT_signature) &&
            dwarf_formref_die(dwarf_attr(type, DW_AT_signature, &value), &full) != nullptr)
          *type = full;
        return true;
      }
      default:
        return false;
    }
  }
  return false;
}

// The class a member function belongs to: the type of its first parameter.
bool class_of(Dwarf_Die* function, Dwarf_Die* result) {
  Dwarf_Die at = *function;
  for (int step = 0; step < kStepsMax; ++step) {
    Dwarf_Die child;
    if (dwarf_child(&at, &child) == 0) do {
        if (dwarf_tag(&child) != DW_TAG_formal_parameter) continue;
        Dwarf_Attribute flag;
        bool artificial = false;
        if (dwarf_formflag(dwarf_attr_integrate(&child, DW_AT_artificial, &flag), &artificial) != 0)
          artificial = false;
        const std::string_view name = name_of(&child);
        if ((artificial || name == "this" || name == "self") &&
            referenced(&child, DW_AT_type, result) && peel_to_class(result))
          return true;
        break;  // only the first parameter can be `this`
      } while (dwarf_siblingof(&child, &child) == 0);
    Dwarf_Attribute value;
    Dwarf_Attribute* next = dwarf_attr(&at, DW_AT_abstract_origin, &value);
    if (next == nullptr) next = dwarf_attr(&at, DW_AT_specification, &value);
    Dwarf_Die origin;
    if (next == nullptr || dwarf_formref_die(next, &origin) == nullptr) return false;
    at = origin;
  }
  return false;
}

// Calls `visit(name, type)` for each template type parameter until it returns true.
template <class Visit>
bool type_parameters(Dwarf_Die* type, Visit visit) {
  Dwarf_Die child;
  if (dwarf_child(type, &child) != 0) return false;
  do {
    if (dwarf_tag(&child) != DW_TAG_template_type_parameter) continue;
    Dwarf_Die argument;
    if (referenced(&child, DW_AT_type, &argument) && visit(name_of(&child), &argument)) return true;
  } while (dwarf_siblingof(&child, &child) == 0);
  return false;
}

// What an allocator allocates. Of std::allocator<T> itself debug information may leave the
// parameter out; its base class has it.
bool allocated_type(Dwarf_Die* allocator, Dwarf_Die* result) {
  const auto first = [result](std::string_view, Dwarf_Die* type) {
    *result = *type;
    return true;
  };
  if (type_parameters(allocator, first)) return true;
  Dwarf_Die child, base;
  if (dwarf_child(allocator, &child) != 0) return false;
  do {
    if (dwarf_tag(&child) == DW_TAG_inheritance && referenced(&child, DW_AT_type, &base) &&
        peel_to_class(&base)) {
      return type_parameters(&base, first);
    }
  } while (dwarf_siblingof(&child, &child) == 0);
  return false;
}

// The parameter that says what is stored: a named one (_Value, BucketT), the value type of the
// allocator, or simply the first.
bool element_type(Dwarf_Die* container, Dwarf_Die* result) {
  if (name_of(container).starts_with("SmallVectorBase")) return false;  // its T is the size type
  if (type_parameters(container, [&](std::string_view name, Dwarf_Die* type) {
        if (name != "_Value" && name != "BucketT") return false;
        *result = *type;
        return true;
      }))
    return true;
  if (type_parameters(container, [&](std::string_view, Dwarf_Die* type) {
        Dwarf_Die allocator = *type;
        if (!peel_to_class(&allocator)) return false;
        const std::string_view name = name_of(&allocator);
        if (!name.starts_with("allocator") && !name.starts_with("polymorphic_allocator"))
          return false;
        return allocated_type(&allocator, result);
      }))
    return true;
  return type_parameters(container, [&](std::string_view, Dwarf_Die* type) {
    *result = *type;
    return true;
  });
}

// A type as its own file writes it.
std::string without_anonymous(std::string text) {
  constexpr std::string_view kAnonymous = "(anonymous namespace)::";
  for (std::size_t at = 0; (at = text.find(kAnonymous, at)) != std::string::npos;) {
    text.erase(at, kAnonymous.size());
  }
  return text;
}

std::uint64_t size_of(Dwarf_Die* type) {
  Dwarf_Word bytes = 0;
  if (dwarf_aggregate_size(type, &bytes) == 0) return bytes;
  Dwarf_Die full = *type;
  if (peel_to_class(&full) && dwarf_aggregate_size(&full, &bytes) == 0) return bytes;
  return 0;
}

}  // namespace

Symbolizer::Element element_of_name(std::string_view function) {
  Symbolizer::Element element;
  const ContainerName name = container_name(function);
  element.container = without_anonymous(name.container);
  element.type = without_anonymous(name.element);
  element.bytes = known_size(element.type);
  if (element.bytes != 0) element.source = "name";
  return element;
}

Symbolizer::Element element_of(void* die, std::string_view function) {
  Symbolizer::Element element = element_of_name(function);
  Dwarf_Die container, type;
  if (!class_of(static_cast<Dwarf_Die*>(die), &container) || !element_type(&container, &type))
    return element;
  // A node_hash_map's slots are pointers to what its allocator makes.
  const bool node = element.container.starts_with("absl::node_hash_");
  const std::uint64_t bytes = node ? 8 : size_of(&type);
  if (bytes == 0) return element;
  element.bytes = bytes;
  element.source = "dwarf";
  if (element.type == "T") {  // Rust's legacy symbols name the parameter, not the type
    const std::string full = "alloc::raw_vec::RawVec<" + std::string(name_of(&type)) + ">::f";
    const bool table = element.container.starts_with("HashMap");
    element.type.clear();
    element.container =
        container_name(table ? "hashbrown::raw::RawTable" + full.substr(full.find('<')) : full)
            .container;
  }
  if (element.type.empty()) element.type = without_anonymous(tidy_type(name_of(&type)));
  return element;
}

}  // namespace ullage::trace
