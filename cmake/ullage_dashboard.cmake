# SPDX-License-Identifier: Apache-2.0
#
# The live page of `ullage serve`: dashboard/ made into one HTML file that the program carries.
#
#   ullage_dashboard(files)      index.html and policy.txt in the build folder; nothing: no page
#
# npm fetches what package-lock.json pins (esbuild, uPlot), once per build folder, while configuring;
# the page is made when its sources change. ULLAGE_DASHBOARD:
#   AUTO   the page, if npm is there and can fetch; else a warning, and a program that says so at /
#   ON     the page, or an error
#   OFF    no page: for builds that may not use the network
set(ULLAGE_DASHBOARD AUTO CACHE STRING "Build the live page of `ullage serve`: AUTO, ON or OFF")
set_property(CACHE ULLAGE_DASHBOARD PROPERTY STRINGS AUTO ON OFF)

function(ullage_dashboard result)
  set(${result} "" PARENT_SCOPE)
  if(ULLAGE_DASHBOARD STREQUAL "OFF")
    return()
  endif()
  set(from "${PROJECT_SOURCE_DIR}/dashboard")
  set(folder "${PROJECT_BINARY_DIR}/dashboard")
  set(pins "${from}/package.json" "${from}/package-lock.json" "${from}/.npmrc")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${pins})
  find_program(ULLAGE_NPM npm)
  find_program(ULLAGE_NODE NAMES node nodejs)
  mark_as_advanced(ULLAGE_NPM ULLAGE_NODE)
  set(why "")
  if(NOT ULLAGE_NPM OR NOT ULLAGE_NODE)
    set(why "npm is not installed (`make setup` installs it)")
  else()
    file(READ "${from}/package-lock.json" wanted)
    set(there "")
    if(EXISTS "${folder}/fetched")
      file(READ "${folder}/fetched" there)
    endif()
    if(NOT there STREQUAL wanted)
      message(STATUS "Fetching what the live page is made with (npm ci)")
      file(COPY ${pins} DESTINATION "${folder}")
      execute_process(COMMAND "${ULLAGE_NPM}" ci --prefer-offline WORKING_DIRECTORY "${folder}"
                      RESULT_VARIABLE failed OUTPUT_QUIET ERROR_VARIABLE said TIMEOUT 300)
      if(failed)
        set(why "npm ci in dashboard/ failed: ${said}")
      else()
        file(WRITE "${folder}/fetched" "${wanted}")
      endif()
    endif()
  endif()
  if(why)
    if(ULLAGE_DASHBOARD STREQUAL "ON")
      message(FATAL_ERROR "The live page can't be built: ${why}. -DULLAGE_DASHBOARD=OFF leaves it out.")
    endif()
    message(WARNING "The live page is left out: ${why}. Everything else is built.")
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${from}/src/*")
  set(made "${folder}/index.html" "${folder}/policy.txt")
  add_custom_command(OUTPUT ${made}
    COMMAND "${CMAKE_COMMAND}" -E copy "${from}/build.mjs" "${folder}/build.mjs"
    COMMAND "${ULLAGE_NODE}" "${folder}/build.mjs" "${from}/src" "${folder}"
    DEPENDS ${sources} "${from}/build.mjs" "${folder}/fetched" VERBATIM COMMENT "Making the live page")
  set(${result} "${made}" PARENT_SCOPE)
endfunction()
