# SPDX-License-Identifier: Apache-2.0
#
# The few options there are, and the compiler flags every module is built with.
#
#   ullage_flags   warnings and sanitizers: linked by everything that is ours and runs on its own
#   ullage_guest   what a guest in a stranger's process is built with: the agent, and the copy of
#                  `record` it links. Never a sanitizer, never a C++ runtime.
option(ULLAGE_DEVELOPER "Build tests, benchmarks and examples" ${PROJECT_IS_TOP_LEVEL})
set(ULLAGE_SANITIZE "" CACHE STRING "Empty, 'address' (with undefined), 'thread', or 'fuzz' (clang only)")
set_property(CACHE ULLAGE_SANITIZE PROPERTY STRINGS "" address thread fuzz)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

find_program(CCACHE ccache)
mark_as_advanced(CCACHE)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

include(GNUInstallDirs)
include(CTest)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Python3 COMPONENTS Interpreter QUIET)

set(ullage_warnings -Wall -Wextra -Wpedantic -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND ullage_warnings -Wno-restrict)  # false for `"x" + string` (GCC bug 105651, fixed in 13)
endif()

set(sanitize)
if(ULLAGE_SANITIZE STREQUAL "address")
  set(sanitize -fsanitize=address,undefined)
elseif(ULLAGE_SANITIZE STREQUAL "thread")
  set(sanitize -fsanitize=thread)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # it warns of fences; ours stand between atomics alone
    list(APPEND ullage_warnings -Wno-tsan)
  endif()
elseif(ULLAGE_SANITIZE STREQUAL "fuzz")
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ULLAGE_SANITIZE=fuzz needs clang++ (libFuzzer). Use: cmake --preset fuzz")
  endif()
  set(sanitize -fsanitize=fuzzer-no-link,address,undefined)
elseif(NOT ULLAGE_SANITIZE STREQUAL "")
  message(FATAL_ERROR "ULLAGE_SANITIZE is '${ULLAGE_SANITIZE}'; it may be address, thread or fuzz.")
endif()
if(sanitize)
  list(APPEND sanitize -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()

add_library(ullage_flags INTERFACE)
target_compile_options(ullage_flags INTERFACE ${ullage_warnings} ${sanitize})
# A library that is only loaded when it is needed (libcurl) is not linked: starting would pay for it.
target_link_options(ullage_flags INTERFACE ${sanitize} -Wl,--as-needed)
target_link_libraries(ullage_flags INTERFACE Threads::Threads)

add_library(ullage_guest INTERFACE)
target_compile_options(ullage_guest INTERFACE ${ullage_warnings}
  -O2 -g -fno-exceptions -fno-rtti -fno-omit-frame-pointer -fno-threadsafe-statics
  -fvisibility=hidden -fvisibility-inlines-hidden -ftls-model=initial-exec
  -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
  -fno-builtin-memalign -fno-builtin-aligned_alloc -fno-builtin-posix_memalign)

# Says how to get a package that is missing instead of failing later with a missing header.
# Debian's names; other distributions call them much the same.
set(debian_libdw libdw-dev)
set(debian_libelf libelf-dev)
set(debian_zlib zlib1g-dev)
set(debian_libzstd libzstd-dev)
set(debian_libarchive libarchive-dev)
set(debian_libcurl libcurl4-openssl-dev)
set(debian_nlohmann_json nlohmann-json3-dev)
set(debian_CLI11 libcli11-dev)
set(debian_tomlplusplus libtomlplusplus-dev)
set(debian_rocksdb librocksdb-dev)
set(debian_openssl libssl-dev)

# ullage_package(NAME OUT): the target to link for a package of the distribution.
function(ullage_package name out)
  if(name STREQUAL "CLI11")
    find_package(CLI11 QUIET)
    set(target CLI11::CLI11)
  else()
    pkg_check_modules(${name} QUIET IMPORTED_TARGET GLOBAL ${name})
    set(target PkgConfig::${name})
  endif()
  if(NOT TARGET ${target})
    message(FATAL_ERROR "${name} is missing. On Debian: apt-get install ${debian_${name}}"
                        " (or `make setup`, which installs everything the build needs).")
  endif()
  if(name STREQUAL "CLI11")
    set_target_properties(CLI11::CLI11 PROPERTIES IMPORTED_GLOBAL ON)
  endif()
  set(${out} ${target} PARENT_SCOPE)
endfunction()
