# SPDX-License-Identifier: Apache-2.0
#
# find_package(ullage) gives ullage::ullage: header-only, needs the standard library only.
include("${CMAKE_CURRENT_LIST_DIR}/ullageTargets.cmake")
