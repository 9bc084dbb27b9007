// SPDX-License-Identifier: Apache-2.0
// ours: W-TinyLFU by segment, its window chosen by shadow caches.
#pragma once

#include "../eviction/ours.h"
