# SPDX-License-Identifier: Apache-2.0
#
# The agent is a guest: it may ask the loader for libc and nothing more. Run by ctest.
execute_process(COMMAND "${READELF}" -d "${AGENT}" OUTPUT_VARIABLE dynamic COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*\\[[^]]+\\]" needed "${dynamic}")
if(NOT needed)
  message(FATAL_ERROR "${AGENT}: no NEEDED entry at all; was this linked as a shared library?")
endif()
foreach(line IN LISTS needed)
  string(REGEX REPLACE ".*\\[([^]]+)\\].*" "\\1" library "${line}")
  if(NOT library MATCHES "^(libc\\.so\\.6|libdl\\.so\\.2|ld-linux-x86-64\\.so\\.2)$")
    message(FATAL_ERROR "${AGENT} needs ${library}; the agent may need libc.so.6 only.")
  endif()
  message(STATUS "needs ${library}")
endforeach()
