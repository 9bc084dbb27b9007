# SPDX-License-Identifier: Apache-2.0
#
# Run by CPack once /usr is staged: what belongs elsewhere, and what Debian wants compressed.
set(root "${CPACK_TEMPORARY_DIRECTORY}")
set(ops "${CPACK_ULLAGE_SOURCE_DIR}/ops")
set(readable OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)

function(ullage_put file folder name)
  # (file(INSTALL) would put DESTDIR, which is set here, in front of it.)
  configure_file("${file}" "${root}/${folder}/${name}" COPYONLY FILE_PERMISSIONS ${readable})
endfunction()

ullage_put("${ops}/systemd/ullage.service" lib/systemd/system ullage.service)
ullage_put("${ops}/deb/ullage.sysusers" usr/lib/sysusers.d ullage.conf)
ullage_put("${ops}/ullage.toml" etc/ullage ullage.toml)
set(docs "${root}/usr/share/doc/ullage")
ullage_put("${ops}/deb/copyright" usr/share/doc/ullage copyright)
foreach(page security operations)
  ullage_put("${CPACK_ULLAGE_SOURCE_DIR}/docs/serve/${page}.md" usr/share/doc/ullage/serve ${page}.md)
endforeach()
file(RENAME "${docs}/CHANGELOG.md" "${docs}/changelog")
file(REMOVE "${docs}/LICENSE")  # in copyright
find_program(GZIP gzip REQUIRED)
execute_process(COMMAND "${GZIP}" -9nf "${docs}/changelog" "${root}/usr/share/man/man1/ullage.1"
                COMMAND_ERROR_IS_FATAL ANY)
