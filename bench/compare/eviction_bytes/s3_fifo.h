// SPDX-License-Identifier: Apache-2.0
// s3_fifo: a tenth for newcomers, a main queue with two-bit counters, a queue of ghosts (Yang et
#pragma once

#include "../eviction/s3_fifo.h"
