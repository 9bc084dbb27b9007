# SPDX-License-Identifier: Apache-2.0
#
# The Debian package: what `cmake --install` puts under /usr, and what belongs elsewhere (ops/): the
# unit of systemd, /etc/ullage/ullage.toml, which stays as its owner edited it, and scripts that make
# the user of the service. `make deb`; tests/deb takes it apart.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ullage)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_VENDOR "Ullage")
set(CPACK_PACKAGE_CONTACT "The authors of Ullage <ullage@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "profiler of memory growth, and a store within one budget")
set(CPACK_PACKAGE_DESCRIPTION
    "Finds the growth of containers that stops a program, and says what to reserve.
 Holds a library of containers whose slowest insert is bounded, and a store for
 Redis clients whose memory is granted by one budget (a service of systemd).")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/package")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
# What the program links is found out; what it loads when it is asked for is named here.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}/lib")
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libssl3, libcurl4")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-tools")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${PROJECT_SOURCE_DIR}/ops/deb/postinst" "${PROJECT_SOURCE_DIR}/ops/deb/prerm"
    "${PROJECT_SOURCE_DIR}/ops/deb/postrm" "${PROJECT_SOURCE_DIR}/ops/deb/conffiles")
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/ullage_package_files.cmake")
set(CPACK_ULLAGE_SOURCE_DIR "${PROJECT_SOURCE_DIR}")
include(CPack)
