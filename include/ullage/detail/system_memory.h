// SPDX-License-Identifier: Apache-2.0
//
// system_memory: the system's calls about memory, for reserved_memory.h.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#endif
