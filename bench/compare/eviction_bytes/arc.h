// SPDX-License-Identifier: Apache-2.0
// arc: two lists, of keys seen once and seen again, with ghosts that say which should be larger
#pragma once

#include "../eviction/arc.h"
