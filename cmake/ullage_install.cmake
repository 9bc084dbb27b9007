# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` puts where. The program finds its agent relative to itself
# (../lib/ullage/), and the package files find the headers relative to themselves, so an installed
# tree may be moved.
include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ullage")

install(TARGETS ullage_headers EXPORT ullageTargets FILE_SET HEADERS)
install(EXPORT ullageTargets NAMESPACE ullage:: DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ullageConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_SOURCE_DIR}/cmake/ullageConfig.cmake"
              "${PROJECT_BINARY_DIR}/ullageConfigVersion.cmake" DESTINATION "${package_dir}")

# pkg-config knows where its own file lies: this many steps up is the prefix.
string(REGEX REPLACE "[^/]+" ".." ups "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
configure_file("${PROJECT_SOURCE_DIR}/cmake/ullage.pc.in" "${PROJECT_BINARY_DIR}/ullage.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ullage.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

if(TARGET ullage)
  install(TARGETS ullage RUNTIME)
endif()
if(TARGET ullage_agent)
  install(TARGETS ullage_agent LIBRARY DESTINATION lib/ullage)
endif()

# ullage_install_if(DESTINATION file...): pages and completions, for as long as they exist.
function(ullage_install_if destination)
  foreach(file IN LISTS ARGN)
    if(EXISTS "${PROJECT_SOURCE_DIR}/${file}")
      install(FILES "${PROJECT_SOURCE_DIR}/${file}" DESTINATION "${destination}")
    endif()
  endforeach()
endfunction()

file(GLOB pages RELATIVE "${PROJECT_SOURCE_DIR}" CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/man/*.1")
ullage_install_if("${CMAKE_INSTALL_MANDIR}/man1" ${pages})
ullage_install_if("${CMAKE_INSTALL_DATADIR}/bash-completion/completions" docs/completion/ullage)
ullage_install_if("${CMAKE_INSTALL_DATADIR}/zsh/site-functions" docs/completion/_ullage)
ullage_install_if("${CMAKE_INSTALL_DOCDIR}" README.md CHANGELOG.md LICENSE ARCHITECTURE.md)
