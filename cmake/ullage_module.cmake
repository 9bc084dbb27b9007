# SPDX-License-Identifier: Apache-2.0
#
# A module is a folder under src/. Its files are found by themselves and sorted by suffix:
#
#   x_test.cpp    joins NAME_test (GoogleTest); each TEST becomes one ctest, labelled NAME
#   x_bench.cpp   joins NAME_bench (Google Benchmark), when that library is installed
#   x_fuzz.cpp    becomes its own fuzz target x_fuzz: libFuzzer in the fuzz preset, elsewhere a
#                 replay of fuzz/x_fuzz/ and some thousand fixed mutations of it, run as a ctest
#   x.cpp         joins the static library ullage_NAME
#   testdata/     is data, whatever its suffix
#
# A module whose folder holds no x.cpp (yet) is an INTERFACE library, so headers can land first.

include(ullage_embed)

if(ULLAGE_DEVELOPER)
  find_package(GTest REQUIRED)
  find_package(benchmark QUIET)
  include(GoogleTest)
endif()

if(ULLAGE_SANITIZE STREQUAL "fuzz")
  add_custom_target(fuzzers)  # what the fuzz preset builds
endif()

# Environment that every test gets: where the built program, the agent and the sources are.
set(ullage_test_environment
    "ULLAGE_BIN=${PROJECT_BINARY_DIR}/bin/ullage"
    "ULLAGE_AGENT=${PROJECT_BINARY_DIR}/lib/libullage_agent.so"
    "ULLAGE_BUILD=${PROJECT_BINARY_DIR}" "ULLAGE_SRC=${PROJECT_SOURCE_DIR}"
    "ULLAGE_SANITIZE=${ULLAGE_SANITIZE}" "UBSAN_OPTIONS=print_stacktrace=1"
    "PYTHONPATH=${PROJECT_SOURCE_DIR}/tests/lib" "PYTHONDONTWRITEBYTECODE=1")

# ullage_sort(FOLDER [APART...]): sets sources, tests, benches and fuzzers in the caller.
function(ullage_sort folder)
  file(GLOB_RECURSE all CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
  foreach(apart IN LISTS ARGN)
    list(FILTER all EXCLUDE REGEX "/${folder}/${apart}/")
  endforeach()
  list(FILTER all EXCLUDE REGEX "/testdata/")
  list(SORT all)
  foreach(kind test bench fuzz)
    set(${kind} ${all})
    list(FILTER ${kind} INCLUDE REGEX "_${kind}\\.cpp$")
  endforeach()
  list(FILTER all EXCLUDE REGEX "_(test|bench|fuzz)\\.cpp$")
  list(FILTER all EXCLUDE REGEX "/src/cli/main\\.cpp$")
  set(sources ${all} PARENT_SCOPE)
  set(tests ${test} PARENT_SCOPE)
  set(benches ${bench} PARENT_SCOPE)
  set(fuzzers ${fuzz} PARENT_SCOPE)
endfunction()

# ullage_join_tests(NAME LIBRARY...): builds tests, benches and fuzzers (set by ullage_sort).
function(ullage_join_tests name)
  if(NOT ULLAGE_DEVELOPER)
    return()
  endif()
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${ARGN} ullage_flags GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE
      ULLAGE_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ULLAGE_BINARY_DIR="${PROJECT_BINARY_DIR}")
    # A static library of tests would be useless to install: keep them out of bin/.
    set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                          "${PROJECT_BINARY_DIR}/tests/unit")
    # Only one variable: gtest_discover_tests takes every further item of a list for a property. Paths
    # come as definitions above.
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      PROPERTIES LABELS ${name} TIMEOUT 300
      ENVIRONMENT "ULLAGE_AGENT=${PROJECT_BINARY_DIR}/lib/libullage_agent.so")
  endif()
  if(benches AND benchmark_FOUND AND NOT ULLAGE_SANITIZE)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE ${ARGN} ullage_flags benchmark::benchmark_main)
    set_target_properties(${name}_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                          "${PROJECT_BINARY_DIR}/bench")
  endif()
  foreach(file IN LISTS fuzzers)
    cmake_path(GET file STEM fuzzer)
    if(ULLAGE_SANITIZE STREQUAL "fuzz")
      add_executable(${fuzzer} ${file})
      target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
      add_dependencies(fuzzers ${fuzzer})
    else()
      add_executable(${fuzzer} ${file} "${PROJECT_SOURCE_DIR}/fuzz/replay_main.cpp")
      add_test(NAME fuzz.${fuzzer} COMMAND ${fuzzer} "${PROJECT_SOURCE_DIR}/fuzz/${fuzzer}")
      set_tests_properties(fuzz.${fuzzer} PROPERTIES LABELS "${name};fuzz" TIMEOUT 300)
    endif()
    target_link_libraries(${fuzzer} PRIVATE ${ARGN} ullage_flags)
    set_target_properties(${fuzzer} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                          "${PROJECT_BINARY_DIR}/fuzz")
  endforeach()
endfunction()

# ullage_library(NAME): include/NAME, header-only; its tests stand beside the headers.
function(ullage_library name)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/${name}/*.h")
  list(FILTER headers EXCLUDE REGEX "_(contract|testing)\\.h$")  # for tests; not installed
  add_library(${name}_headers INTERFACE)
  add_library(${name}::${name} ALIAS ${name}_headers)
  set_target_properties(${name}_headers PROPERTIES EXPORT_NAME ${name}
                        VERIFY_INTERFACE_HEADER_SETS ${ULLAGE_DEVELOPER})
  target_sources(${name}_headers PUBLIC FILE_SET HEADERS
                 BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${headers})
  target_compile_features(${name}_headers INTERFACE cxx_std_20)
  ullage_sort(include/${name})
  # The rivals in the map contract are headers, where they are installed; one of them needs linking.
  find_library(ULLAGE_ABSL absl_raw_hash_set)
  mark_as_advanced(ULLAGE_ABSL)
  set(peers)
  if(ULLAGE_ABSL)
    set(peers "${ULLAGE_ABSL}" absl_hash absl_city absl_low_level_hash absl_throw_delegate)
  endif()
  ullage_join_tests(library ${name}::${name} ${peers})
endfunction()

# ullage_module(NAME [USES module...] [LINK_PACKAGES package...] [EMBED pattern...] [APART folder...])
# APART names folders of it that are modules of their own.
function(ullage_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "USES;LINK_PACKAGES;EMBED;APART")
  ullage_sort(src/${name} ${arg_APART})
  if(arg_EMBED)
    ullage_embed(${name} embedded ${arg_EMBED})
    list(APPEND sources "${embedded}")
  endif()
  set(libraries ullage::ullage)
  foreach(module IN LISTS arg_USES)
    list(APPEND libraries ullage_${module})
  endforeach()
  set(packages)
  foreach(package IN LISTS arg_LINK_PACKAGES)
    ullage_package(${package} target)
    list(APPEND packages ${target})
  endforeach()

  if(sources)
    add_library(ullage_${name} STATIC ${sources})
    target_include_directories(ullage_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(ullage_${name} PUBLIC ${libraries} PRIVATE ullage_flags ${packages})
  else()
    add_library(ullage_${name} INTERFACE)
    target_include_directories(ullage_${name} INTERFACE "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(ullage_${name} INTERFACE ${libraries})
  endif()
  # A test may look at what the module wrote with the package the module wrote it with.
  ullage_join_tests(${name} ullage_${name} ${packages})
endfunction()

# ullage_agent(NAME USES module...): libullage_NAME.so, a guest in other people's processes.
#
# It needs libc and nothing else. The modules it uses are compiled a second time as guests
# (ullage_MODULE_plain) and linked statically, so only the objects it needs come along, and a
# sanitized build of the program still records with an agent that has no sanitizer in it.
# Exported names (malloc, operator new, ...) live in interpose*.cpp; everything else is also what
# NAME_test links, so that a unit test does not preload itself.
function(ullage_agent name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "USES")
  ullage_sort(src/${name})
  set(plain)
  foreach(module IN LISTS arg_USES)
    block()
      ullage_sort(src/${module})
      if(sources)
        add_library(ullage_${module}_plain STATIC EXCLUDE_FROM_ALL ${sources})
        target_include_directories(ullage_${module}_plain PUBLIC "${PROJECT_SOURCE_DIR}/src"
                                   "${PROJECT_SOURCE_DIR}/include")
        target_link_libraries(ullage_${module}_plain PRIVATE ullage_guest)
      endif()
    endblock()
    if(TARGET ullage_${module}_plain)
      list(APPEND plain ullage_${module}_plain)
    endif()
  endforeach()

  set(interposers ${sources})
  list(FILTER interposers INCLUDE REGEX "/interpose[^/]*\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "/interpose[^/]*\\.cpp$")
  if(sources)
    add_library(ullage_${name}_parts OBJECT ${sources})
    target_include_directories(ullage_${name}_parts PUBLIC "${PROJECT_SOURCE_DIR}/src"
                               "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(ullage_${name}_parts PRIVATE ullage_guest)
    add_library(ullage_${name}_parts_archive STATIC EXCLUDE_FROM_ALL
                $<TARGET_OBJECTS:ullage_${name}_parts>)
    target_include_directories(ullage_${name}_parts_archive INTERFACE "${PROJECT_SOURCE_DIR}/src"
                               "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries(ullage_${name}_parts_archive PUBLIC ${plain})
    ullage_join_tests(${name} ullage_${name}_parts_archive)
  endif()
  if(NOT interposers AND NOT sources)
    message(STATUS "src/${name} holds no sources yet: no agent is built")
    return()
  endif()

  add_library(ullage_${name} SHARED ${interposers})
  if(sources)
    target_sources(ullage_${name} PRIVATE $<TARGET_OBJECTS:ullage_${name}_parts>)
  endif()
  target_include_directories(ullage_${name} PRIVATE "${PROJECT_SOURCE_DIR}/src"
                             "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(ullage_${name} PRIVATE ullage_guest ${plain} -lgcc -lgcc_eh -lc)
  target_link_options(ullage_${name} PRIVATE -nodefaultlibs -Wl,-z,now -Wl,--no-undefined
                      -Wl,--as-needed)
  set(versions "${PROJECT_SOURCE_DIR}/src/${name}/versions.map")
  target_link_options(ullage_${name} PRIVATE "-Wl,--version-script=${versions}")
  set_target_properties(ullage_${name} PROPERTIES LINK_DEPENDS "${versions}")
  set_target_properties(ullage_${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY
                        "${PROJECT_BINARY_DIR}/lib" LINKER_LANGUAGE CXX)
  if(ULLAGE_DEVELOPER)
    add_test(NAME agent.needs_libc_only COMMAND "${CMAKE_COMMAND}"
             "-DREADELF=${CMAKE_READELF}" "-DAGENT=$<TARGET_FILE:ullage_${name}>"
             -P "${PROJECT_SOURCE_DIR}/cmake/check_needed.cmake")
    set_tests_properties(agent.needs_libc_only PROPERTIES LABELS "${name}")
  endif()
endfunction()

# ullage_plugin(FOLDER/NAME USES module... LINK_PACKAGES package...): libullage_NAME.so, loaded by the
# program when it is asked for, so that a run that does not need its packages does not pay for them.
#
# What it exports lives in plugin.cpp and is named in versions.map; everything else is also what
# NAME_test and programs of the tests link, statically.
function(ullage_plugin path)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "USES;LINK_PACKAGES")
  cmake_path(GET path FILENAME name)
  ullage_sort(src/${path})
  set(entry "${PROJECT_SOURCE_DIR}/src/${path}/plugin.cpp")
  list(REMOVE_ITEM sources "${entry}")
  set(libraries ullage::ullage)
  foreach(module IN LISTS arg_USES)
    list(APPEND libraries ullage_${module})
  endforeach()
  set(packages)
  foreach(package IN LISTS arg_LINK_PACKAGES)
    ullage_package(${package} target)
    list(APPEND packages ${target})
  endforeach()
  add_library(ullage_${name}_parts STATIC ${sources})
  target_include_directories(ullage_${name}_parts PUBLIC "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(ullage_${name}_parts PUBLIC ${libraries} PRIVATE ullage_flags ${packages})
  ullage_join_tests(${name} ullage_${name}_parts ${packages})

  add_library(ullage_${name} SHARED "${entry}")
  target_link_libraries(ullage_${name} PRIVATE ullage_${name}_parts ullage_flags)
  set(versions "${PROJECT_SOURCE_DIR}/src/${path}/versions.map")
  target_link_options(ullage_${name} PRIVATE "-Wl,--version-script=${versions}")
  set_target_properties(ullage_${name} PROPERTIES LINK_DEPENDS "${versions}"
                        LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
  set_property(GLOBAL APPEND PROPERTY ullage_plugins ullage_${name})
  if(TARGET ${name}_test)
    add_dependencies(${name}_test ullage_${name})  # one of them loads it
  endif()
endfunction()

# ullage_program(NAME MAIN file USES module...): <build>/bin/NAME.
function(ullage_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "MAIN" "USES")
  if(NOT EXISTS "${PROJECT_SOURCE_DIR}/${arg_MAIN}")
    message(STATUS "${arg_MAIN} does not exist yet: no program is built")
    return()
  endif()
  add_executable(${name} "${PROJECT_SOURCE_DIR}/${arg_MAIN}")
  foreach(module IN LISTS arg_USES)
    target_link_libraries(${name} PRIVATE ullage_${module})
  endforeach()
  target_link_libraries(${name} PRIVATE ullage_flags)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  if(TARGET ullage_agent)
    add_dependencies(${name} ullage_agent)  # the program is of no use without it
  endif()
  get_property(plugins GLOBAL PROPERTY ullage_plugins)
  if(plugins)
    add_dependencies(${name} ${plugins})
  endif()
endfunction()
