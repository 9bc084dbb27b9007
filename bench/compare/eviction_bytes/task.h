// SPDX-License-Identifier: Apache-2.0
// eviction_bytes: as eviction, in bytes: blocks of a virtual disk, as large as they were.
#pragma once

#include "../eviction/task.h"
