// SPDX-License-Identifier: Apache-2.0
//
// What a stranger's first program with the library might be.
#include <ullage/version.h>

#include <cstdio>

int main() { std::puts(ullage::kVersionString); }
