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

get_property(plugins GLOBAL PROPERTY ullage_plugins)
if(plugins)
  install(TARGETS ${plugins} LIBRARY DESTINATION lib/ullage)
endif()

# The program writes its own man page and completions, so that they say what --help says.
if(TARGET ullage)
  set(written "${PROJECT_BINARY_DIR}/share")
  file(MAKE_DIRECTORY "${written}")
  add_custom_command(
    OUTPUT "${written}/ullage.1" "${written}/ullage.bash" "${written}/_ullage"
    COMMAND ullage man > "${written}/ullage.1"
    COMMAND ullage completion bash > "${written}/ullage.bash"
    COMMAND ullage completion zsh > "${written}/_ullage"
    DEPENDS ullage COMMENT "Writing the man page and the completions" VERBATIM)
  add_custom_target(ullage_pages ALL
                    DEPENDS "${written}/ullage.1" "${written}/ullage.bash" "${written}/_ullage")
  install(FILES "${written}/ullage.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  install(FILES "${written}/ullage.bash" RENAME ullage
          DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
  install(FILES "${written}/_ullage" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
endif()
install(FILES README.md CHANGELOG.md LICENSE ARCHITECTURE.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
