// SPDX-License-Identifier: Apache-2.0
// Programs built with a sanitizer, as children of what is recorded: they run as they would without
// us, and are not recorded (session.cpp).
//
// The shared runtime of AddressSanitizer ends its program when another library comes before it in
// the list of loaded ones, as anything preloaded does. It asks this function for its defaults; a
// program's own definition, and ASAN_OPTIONS, come before it.

#include "agent/platform.h"

ULLAGE_EXPORT const char* __asan_default_options(void);  // NOLINT: the runtime's name
ULLAGE_EXPORT const char* __asan_default_options(void) { return "verify_asan_link_order=0"; }
