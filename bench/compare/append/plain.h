// SPDX-License-Identifier: Apache-2.0
// plain: push and hope. libstdc++ doubles, and moves everything each time it does.
#pragma once

#include "task.h"

struct plain {
  static void make_room(append::Vector&, std::size_t) {}
};
