// SPDX-License-Identifier: Apache-2.0
// lru: whoever was used longest ago goes.
#pragma once

#include "../eviction/lru.h"
