# SPDX-License-Identifier: Apache-2.0
# What is installed, and the Debian package of it: scripts/package. Files come from packaging/; the manual and the
# completions are what the program prints, so they can't be out of date.
include(GNUInstallDirs)

# Installing asks for the program and these files, not for the tests.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(package_dir ${CMAKE_BINARY_DIR}/packaging)
file(MAKE_DIRECTORY ${package_dir})

# package_text(FILE ARGUMENT…): FILE holds what `kiln ARGUMENT…` prints; FILE.gz is compressed as Debian asks.
function(package_text file)
  set(command $<TARGET_FILE:kiln> ${ARGN})
  set(plain ${file})
  string(REGEX REPLACE "\\.gz$" "" plain ${file})
  if(plain STREQUAL file)
    add_custom_command(OUTPUT ${package_dir}/${file} COMMAND ${command} > ${file}
                       DEPENDS kiln WORKING_DIRECTORY ${package_dir} COMMENT "kiln ${ARGN}")
  else()
    add_custom_command(OUTPUT ${package_dir}/${file} COMMAND ${command} > ${plain} COMMAND gzip -9nf ${plain}
                       DEPENDS kiln WORKING_DIRECTORY ${package_dir} COMMENT "kiln ${ARGN}")
  endif()
endfunction()
package_text(kiln.1.gz man)
package_text(kiln.bash completions bash)
package_text(_kiln completions zsh)
package_text(kiln.fish completions fish)

# The date of the newest commit, so that equal sources give equal packages; of the configuration where there is no git.
execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} log -1 --format=%cD OUTPUT_VARIABLE KILN_CHANGELOG_DATE
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT KILN_CHANGELOG_DATE)
  execute_process(COMMAND date -R OUTPUT_VARIABLE KILN_CHANGELOG_DATE OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
configure_file(${CMAKE_SOURCE_DIR}/packaging/changelog.in ${package_dir}/changelog @ONLY)
add_custom_command(OUTPUT ${package_dir}/changelog.gz COMMAND gzip -9nkf changelog DEPENDS ${package_dir}/changelog
                   WORKING_DIRECTORY ${package_dir})
add_custom_target(package_files ALL DEPENDS ${package_dir}/kiln.1.gz ${package_dir}/kiln.bash ${package_dir}/_kiln
                                            ${package_dir}/kiln.fish ${package_dir}/changelog.gz)

install(TARGETS kiln RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${package_dir}/kiln.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${package_dir}/kiln.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME kiln)
install(FILES ${package_dir}/_kiln DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${package_dir}/kiln.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES packaging/kiln-agent.service DESTINATION lib/systemd/system)
install(FILES packaging/agent.yaml DESTINATION /etc/kiln)
install(FILES packaging/kiln-agent.default DESTINATION /etc/default RENAME kiln-agent PERMISSIONS OWNER_READ OWNER_WRITE
                                                                                         GROUP_READ)
install(FILES README.md docs/agent-configuration.md docs/metrics.md docs/resource-attributes.md packaging/copyright ${package_dir}/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/kiln)
install(FILES packaging/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME kiln)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kiln)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The kiln authors <kiln@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "profiler for Linux on eBPF, on demand and continuous")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "kiln samples every thread of a host in the kernel and in programs, and gives
flame graphs and profiles with names: nothing is prepared, restarted or linked
into the programs that are looked at.
.
kiln record looks at this host now; kiln agent, with the service kiln-agent,
sends profiles continuously by OTLP.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/packaging/postinst ${CMAKE_SOURCE_DIR}/packaging/prerm ${CMAKE_SOURCE_DIR}/packaging/postrm
    ${CMAKE_SOURCE_DIR}/packaging/conffiles)
# Folders that CPack makes by itself.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
include(CPack)
