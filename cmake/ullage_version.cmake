# SPDX-License-Identifier: Apache-2.0
#
# Reads ULLAGE_VERSION from include/ullage/version.h, the only place where the version is written.
set(version_header "${CMAKE_CURRENT_LIST_DIR}/../include/ullage/version.h")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${version_header}")
file(STRINGS "${version_header}" version_line REGEX "kVersionString = \"[0-9.]+\"")
string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" ULLAGE_VERSION "${version_line}")
