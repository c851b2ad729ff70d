# The Debian packages, by CPack: pgtally, of this build, and libpgtally-dev, of a build of the libraries alone (they must
# not compile Asio separately, as the program does). tools/package makes both builds.
set(PGTALLY_LIBRARIES_BUILD "" CACHE PATH "A build with PGTALLY_INSTALL, for the package libpgtally-dev")
set(PGTALLY_MAINTAINER "The maintainers of pgtally <root@localhost>" CACHE STRING "The maintainer of the packages")
set(revision 1)

# The changelog and the licence, in the form that Debian requires.
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)  # SOURCE_DATE_EPOCH, if it is set
configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog.in ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian @ONLY)
set(changelog ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz)
add_custom_command(OUTPUT ${changelog} COMMAND ${PGTALLY_GZIP} -9nkf ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian
                   DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian VERBATIM)
add_custom_target(pgtally_changelog ALL DEPENDS ${changelog})
foreach(package program:pgtally development:libpgtally-dev)
  string(REGEX MATCH "^(.*):(.*)$" _ ${package})
  install(FILES ${changelog} ${CMAKE_CURRENT_LIST_DIR}/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CMAKE_MATCH_2}
          COMPONENT ${CMAKE_MATCH_1})
endforeach()
install(FILES ${CMAKE_CURRENT_LIST_DIR}/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME pgtally COMPONENT program)
foreach(page db cache cache/replica)
  install(FILES ${PROJECT_SOURCE_DIR}/${page}/README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libpgtally-dev/${page} COMPONENT development)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pgtally)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "live counters for PostgreSQL")
set(CPACK_PACKAGE_CONTACT "${PGTALLY_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};pgtally;ALL;/")
set(CPACK_COMPONENTS_ALL program)
if(PGTALLY_LIBRARIES_BUILD)
  list(APPEND CPACK_INSTALL_CMAKE_PROJECTS "${PGTALLY_LIBRARIES_BUILD};pgtally;ALL;/")
  list(APPEND CPACK_COMPONENTS_ALL development)
endif()

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${revision})
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME pgtally)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "pgtally counts the rows of any table, keeps the counters in memory exactly in
step with what is committed, and pushes every change to browsers and programs
by WebSocket, Server-Sent Events and long poll.
.
This package has the program, which is server, installer of its schema, and
client, and a unit that is not enabled.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "postgresql, nginx, prometheus")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/postinst ${CMAKE_CURRENT_LIST_DIR}/prerm
    ${CMAKE_CURRENT_LIST_DIR}/postrm ${CMAKE_CURRENT_LIST_DIR}/conffiles)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libpgtally-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "Headers, static libraries, and files for CMake and pkg-config: a PostgreSQL
client on Boost.Asio, and replicas that hold the counters of a tally in a
program of one's own.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libboost1.81-dev, libboost-json1.81-dev, libpq-dev, libssl-dev")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "pgtally")
include(CPack)
