# SPDX-License-Identifier: Apache-2.0
#
# Text that a program carries with it: files of the tree, as they are, in a generated source.
#
#   ullage_module(NAME ... EMBED docs/explain/*.md src/NAME/some.table)
#
# The module then has `std::span<const EmbeddedFile> embedded()` (base/embedded.h), by file name. A change of
# a file makes the source anew; nothing is fetched. An absolute path is a file that this build makes. Run as a script (cmake -P), this file writes it.

if(CMAKE_SCRIPT_MODE_FILE)
  string(REPLACE "|" ";" files "${FILES}")
  set(rows)
  foreach(file IN LISTS files)
    file(READ "${file}" text)
    string(FIND "${text}" ")embedded\"" end)
    if(NOT end EQUAL -1)
      message(FATAL_ERROR "${file} holds )embedded\", which ends the string it would become")
    endif()
    cmake_path(GET file FILENAME filename)
    string(APPEND rows "    {\"${filename}\", R\"embedded(${text})embedded\"},\n")
  endforeach()
  file(WRITE "${OUTPUT}" "// Made by cmake/ullage_embed.cmake.\n#include \"${MODULE}/embedded.h\"\n\n"
       "namespace ullage::${MODULE} {\n\nstd::span<const EmbeddedFile> embedded() {\n"
       "  static constexpr EmbeddedFile kFiles[] = {\n${rows}  };\n  return kFiles;\n}\n\n"
       "}  // namespace ullage::${MODULE}\n")
  return()
endif()

# ullage_embed(MODULE result PATTERN...): the path of the source that will hold these files.
function(ullage_embed module result)
  set(files)
  foreach(pattern IN LISTS ARGN)
    if(IS_ABSOLUTE "${pattern}")  # made by this build
      list(APPEND files "${pattern}")
      continue()
    endif()
    file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${pattern}")
    if(NOT found)
      message(FATAL_ERROR "${module} embeds ${pattern}, and there is no such file")
    endif()
    list(APPEND files ${found})
  endforeach()
  list(SORT files)
  list(JOIN files "|" joined)
  set(output "${PROJECT_BINARY_DIR}/embedded/${module}.cpp")
  set(script "${PROJECT_SOURCE_DIR}/cmake/ullage_embed.cmake")
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DMODULE=${module}" "-DOUTPUT=${output}" "-DFILES=${joined}" -P "${script}"
    DEPENDS ${files} "${script}" VERBATIM COMMENT "Embedding texts into ${module}")
  set(${result} "${output}" PARENT_SCOPE)
endfunction()
