// SPDX-License-Identifier: Apache-2.0
//
// What libullage_cold.so exports: see tier/cold_plugin.h.
#include <ullage/version.h>

#include <cstring>
#include <exception>

#include "tier/cold/backup.h"
#include "tier/cold/store.h"
#include "tier/cold_plugin.h"

extern "C" ullage::tier::ColdStore* ullage_cold_open(const char* version,
                                                     const ullage::tier::ColdOptions* options,
                                                     ullage::Error* error) {
  if (std::strcmp(version, ullage::kVersionString) != 0) {
    *error = {ullage::Code::kUnsupported, std::string("the library is of version ") +
                                              ullage::kVersionString + ", the program of " +
                                              version};
    return nullptr;
  }
  try {
    auto opened = ullage::tier::cold::open_store(*options);
    if (opened.ok()) return opened.value().release();
    *error = opened.error();
  } catch (const std::exception& e) {
    *error = {ullage::Code::kIo, e.what()};
  }
  return nullptr;
}

extern "C" bool ullage_cold_restore(const char* from, const char* to, std::uint64_t* bytes,
                                    ullage::Error* error) {
  try {
    auto restored = ullage::tier::cold::restore_backup(from, to);
    if (restored.ok()) {
      *bytes = restored.value();
      return true;
    }
    *error = restored.error();
  } catch (const std::exception& e) {
    *error = {ullage::Code::kIo, e.what()};
  }
  return false;
}
