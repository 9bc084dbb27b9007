// SPDX-License-Identifier: Apache-2.0
// sieve: one queue, one bit, and a hand that goes from the oldest to the newest (Zhang et al.,
#pragma once

#include "../eviction/sieve.h"
