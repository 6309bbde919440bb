# cmake --install: the program, its library and plugins, the SDK that plugins are built with out of this tree (its conformance suites:
# tests/conformance), and the Python package and programs of reward.process and metric.process.
include(CMakePackageConfigHelpers)

set_target_properties(espalier_program PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
install(TARGETS espalier_program RUNTIME DESTINATION bin)
install(TARGETS espalier LIBRARY DESTINATION lib)

get_target_property(plugins espalier_plugins MANUALLY_ADDED_DEPENDENCIES)
if(plugins)
  set_target_properties(${plugins} PROPERTIES INSTALL_RPATH "$ORIGIN/../..")
  install(TARGETS ${plugins} LIBRARY DESTINATION lib/espalier/plugins)
endif()

foreach(folder base tensor random kernels diffusion network modelfile selection sdk sampling training)
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/runtime/${folder}" DESTINATION include/espalier/runtime OPTIONAL
    FILES_MATCHING PATTERN "*.h" PATTERN in_place.h EXCLUDE)
endforeach()

set(package "${PROJECT_BINARY_DIR}/package")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/espalierConfig.cmake.in" "${package}/espalierConfig.cmake"
  INSTALL_DESTINATION lib/cmake/espalier)
write_basic_package_version_file("${package}/espalierConfigVersion.cmake" COMPATIBILITY ExactVersion)
install(FILES "${package}/espalierConfig.cmake" "${package}/espalierConfigVersion.cmake" "${CMAKE_CURRENT_LIST_DIR}/EspalierTorch.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/EspalierPlugin.cmake" DESTINATION lib/cmake/espalier)

# scripts/new_plugin, and the examples that it copies.
install(PROGRAMS "${PROJECT_SOURCE_DIR}/scripts/new_plugin" DESTINATION share/espalier)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/tests/sdk/out_of_tree/" DESTINATION share/espalier/examples)

# A component, so that `cmake --install <build> --component python` installs it where nothing is built.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/python" DESTINATION share/espalier COMPONENT python PATTERN __pycache__ EXCLUDE)
