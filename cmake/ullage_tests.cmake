# SPDX-License-Identifier: Apache-2.0
#
# End-to-end tests, the programs they look at, and the checks of the house itself.
#
#   tests/NAME.py, tests/NAME.sh, tests/NAME/test.{py,sh}   one ctest e2e.NAME each
#   tests/lib/                                             what they share (on PYTHONPATH)
#   tests/programs/*.cpp                                   <build>/tests/programs/*
#   examples/*.cpp                                         <build>/examples/*
#   bench/**/NAME_test.py                                  one ctest bench.NAME each
#
# A test that cannot run here (no redis-server, say) exits with 77 and counts as skipped.
if(NOT ULLAGE_DEVELOPER)
  return()
endif()
if(NOT Python3_FOUND)
  message(FATAL_ERROR "python3 is missing; the end-to-end tests need it. Install it with `make setup`, "
                      "or configure with -DULLAGE_DEVELOPER=OFF.")
endif()

# A program to be recorded: no sanitizer, its own flags. A first-lines comment may add to them:
#   // build: -O0 -static -labsl_raw_hash_set
function(ullage_subjects folder)
  file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
  string(REPLACE "/" "_" prefix "${folder}")
  foreach(file IN LISTS files)
    cmake_path(GET file STEM stem)
    set(target ${prefix}_${stem})
    add_executable(${target} ${file})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${stem}
                          RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${folder}")
    target_compile_options(${target} PRIVATE ${ullage_warnings} -O2 -g)
    target_link_libraries(${target} PRIVATE ullage::ullage Threads::Threads ${CMAKE_DL_LIBS})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(STRINGS "${file}" extra LIMIT_COUNT 1 REGEX "^// build: ")
    string(REGEX REPLACE "^// build: *" "" extra "${extra}")
    separate_arguments(extra UNIX_COMMAND "${extra}")
    foreach(flag IN LISTS extra)
      if(flag MATCHES "^-(l|L|Wl|static|rdynamic)")
        target_link_libraries(${target} PRIVATE ${flag})
      else()
        target_compile_options(${target} PRIVATE ${flag})
      endif()
    endforeach()
  endforeach()
endfunction()

ullage_subjects(tests/programs)
ullage_subjects(examples)

function(ullage_script_test name script)
  if(script MATCHES "\\.py$")
    set(runner "${Python3_EXECUTABLE}")
  else()
    set(runner bash)
  endif()
  add_test(NAME ${name} COMMAND ${runner} "${script}" ${ARGN})
  string(REGEX REPLACE "\\..*" "" label "${name}")
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 900 SKIP_RETURN_CODE 77
                       ENVIRONMENT "${ullage_test_environment};CXX=${CMAKE_CXX_COMPILER}")
endfunction()

file(GLOB scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*.py" "${PROJECT_SOURCE_DIR}/tests/*.sh"
     "${PROJECT_SOURCE_DIR}/tests/*/test.py" "${PROJECT_SOURCE_DIR}/tests/*/test.sh")
foreach(script IN LISTS scripts)
  cmake_path(GET script STEM name)
  if(name STREQUAL "test")
    cmake_path(GET script PARENT_PATH folder)
    cmake_path(GET folder FILENAME name)
  endif()
  ullage_script_test(e2e.${name} "${script}")
endforeach()

file(GLOB_RECURSE scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*_test.py")
foreach(script IN LISTS scripts)
  cmake_path(GET script STEM name)
  string(REGEX REPLACE "_test$" "" name "${name}")
  ullage_script_test(bench.${name} "${script}")
endforeach()

file(GLOB checks CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tools/check_*.py")
foreach(script IN LISTS checks)
  cmake_path(GET script STEM name)
  string(REGEX REPLACE "^check_" "" name "${name}")
  if(name MATCHES "_test$")
    string(REGEX REPLACE "_test$" "" name "${name}")
    ullage_script_test(house.${name}_speaks "${script}")
  else()
    ullage_script_test(house.${name} "${script}" "${PROJECT_SOURCE_DIR}")
  endif()
endforeach()
