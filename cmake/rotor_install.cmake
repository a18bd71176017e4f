# What is installed where: headers, libraries, the tool, man pages, and the files by which pkg-config and CMake's
# find_package(rotortree) find them.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/rotortree)
set(installed_targets ${rotortree_TARGETS} ${rotortree_json_TARGETS})
install(TARGETS ${installed_targets} EXPORT rotortree_targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  PUBLIC_HEADER DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET rotortree_tool)
  install(TARGETS rotortree_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
foreach(section 1 3)
  file(GLOB man_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/docs/man/*.${section})
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

install(EXPORT rotortree_targets NAMESPACE rotortree:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/rotortree-config.cmake.in
  ${PROJECT_BINARY_DIR}/cmake/rotortree-config.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/rotortree-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/rotortree-config.cmake
  ${PROJECT_BINARY_DIR}/cmake/rotortree-config-version.cmake DESTINATION ${package_dir})

# The install folders may be given as absolute paths; then they do not start at the prefix.
set(rotor_pc_libdir \${prefix}/${CMAKE_INSTALL_LIBDIR})
set(rotor_pc_includedir \${prefix}/${CMAKE_INSTALL_INCLUDEDIR})
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(rotor_pc_libdir ${CMAKE_INSTALL_LIBDIR})
endif()
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(rotor_pc_includedir ${CMAKE_INSTALL_INCLUDEDIR})
endif()
# Stays as it is in the first of the two substitutions below.
set(rotor_prefix_reference @rotor_prefix@)
set(package_files rotortree)
if(TARGET rotortree_json_static)
  list(APPEND package_files rotortree_json)
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/FindJansson.cmake DESTINATION ${package_dir})
endif()
foreach(package IN LISTS package_files)
  # The prefix is filled in when it is known: at installation, which --prefix can redirect.
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in ${PROJECT_BINARY_DIR}/cmake/${package}.pc.in @ONLY)
  install(CODE "set(rotor_prefix \"\${CMAKE_INSTALL_PREFIX}\")
    configure_file(\"${PROJECT_BINARY_DIR}/cmake/${package}.pc.in\" \"${PROJECT_BINARY_DIR}/cmake/${package}.pc\" @ONLY)")
  install(FILES ${PROJECT_BINARY_DIR}/cmake/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
