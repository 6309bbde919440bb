# espalier_core(NAME SOURCES... [LINKS ...]): a folder of runtime/ that becomes part of libespalier.so.
function(espalier_core name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(espalier_${name} OBJECT ${arg_SOURCES})
  target_include_directories(espalier_${name} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
  target_link_libraries(espalier_${name} PRIVATE espalier_flags PUBLIC torch::cpu fmt::fmt ${arg_LINKS})
  espalier_precompiled(espalier_${name} core)
endfunction()

# espalier_host(NAME SOURCES... [LINKS ...]): a folder of runtime/ that only the program and tests link.
function(espalier_host name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(espalier_${name} STATIC ${arg_SOURCES})
  target_include_directories(espalier_${name} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
  target_link_libraries(espalier_${name} PRIVATE espalier_flags PUBLIC espalier ${arg_LINKS})
  espalier_precompiled(espalier_${name} core)
endfunction()

# espalier_test(NAME SOURCES... [LINKS ...] [LABELS ...] [TIMEOUT seconds]): one GoogleTest program, one ctest.
function(espalier_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE espalier_flags espalier ${arg_LINKS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_compile_options(${name} PRIVATE ${ESPALIER_TEST_FLAGS})
  espalier_precompiled(${name} test)
  target_compile_definitions(${name} PRIVATE
    ESPALIER_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ESPALIER_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  # GOMP_SPINCOUNT as the program sets it: tests that train run side by side. ASAN_OPTIONS: a test asks for more memory than there is, and
  # what LibTorch keeps to the end is no leak of ours.
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}" WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    ENVIRONMENT "GOMP_SPINCOUNT=1000;ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0")
endfunction()

# espalier_plugin(KIND NAME SOURCES... [TESTS ...] [LINKS ...]): an OBJECT library wrapped twice, as the loadable file
# plugins/<kind>.<name>.so and, with TESTS, inside its own test program, which debugs without dlopen.
function(espalier_plugin kind name)
  cmake_parse_arguments(arg "" "" "SOURCES;TESTS;LINKS" ${ARGN})
  set(objects plugin_${kind}_${name}_objects)
  add_library(${objects} OBJECT ${arg_SOURCES})
  target_include_directories(${objects} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
  target_compile_options(${objects} PRIVATE ${ESPALIER_PLUGIN_FLAGS})
  target_link_libraries(${objects} PRIVATE espalier_flags PUBLIC espalier ${arg_LINKS})
  espalier_precompiled(${objects} plugin)
  add_library(plugin_${kind}_${name} MODULE $<TARGET_OBJECTS:${objects}>)
  target_link_libraries(plugin_${kind}_${name} PRIVATE espalier ${arg_LINKS})
  target_link_options(plugin_${kind}_${name} PRIVATE -Wl,-z,nodelete)
  set_target_properties(plugin_${kind}_${name} PROPERTIES
    PREFIX "" OUTPUT_NAME "${kind}.${name}" LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/plugins")
  add_dependencies(espalier_plugins plugin_${kind}_${name})
  if(ESPALIER_TESTS AND arg_TESTS)
    espalier_test(test_${kind}_${name} SOURCES ${arg_TESTS} $<TARGET_OBJECTS:${objects}> LINKS espalier_conformance ${arg_LINKS})
  endif()
endfunction()
