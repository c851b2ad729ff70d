# What an embedder installs: the libraries, their headers under <pgtally/…>, find_package(pgtally) and pkg-config's pgtally.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pgtally)
set(libraries pgtally_asio pgtally_db pgtally_cache pgtally_replica)

foreach(name asio db cache replica)
  set_target_properties(pgtally_${name} PROPERTIES EXPORT_NAME ${name})
endforeach()
foreach(name db cache replica)
  target_include_directories(pgtally_${name} PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
install(TARGETS ${libraries} EXPORT pgtally COMPONENT development
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pgtally COMPONENT development)
install(EXPORT pgtally NAMESPACE pgtally:: FILE pgtally-targets.cmake DESTINATION ${package_dir} COMPONENT development)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/pgtally-config.cmake.in ${PROJECT_BINARY_DIR}/pgtally-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/pgtally-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/pgtally-config.cmake ${PROJECT_BINARY_DIR}/pgtally-config-version.cmake
        DESTINATION ${package_dir} COMPONENT development)

# The prefix is found from where the file lies, so that the tree may be moved.
file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/pgtally.pc.in ${PROJECT_BINARY_DIR}/pgtally.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/pgtally.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
