# Used in this tree and, installed, by whoever writes a plugin outside it.
set(ESPALIER_PLUGIN_FLAGS -fvisibility=hidden -fvisibility-inlines-hidden)  # only the entry is visible

# espalier_test(NAME SOURCES... [LINKS ...] [LABELS ...] [TIMEOUT seconds]): one GoogleTest program, one ctest.
function(espalier_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE espalier::flags espalier::espalier ${arg_LINKS} GTest::gmock GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  target_compile_options(${name} PRIVATE ${ESPALIER_TEST_FLAGS})
  if(COMMAND espalier_precompiled)
    espalier_precompiled(${name} test)
  endif()
  target_compile_definitions(${name} PRIVATE
    ESPALIER_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ESPALIER_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  # GOMP_SPINCOUNT as the program sets it: tests that train run side by side. ASAN_OPTIONS: a test asks for more memory than there is, and
  # what LibTorch keeps to the end is no leak of ours.
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}" WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    ENVIRONMENT "GOMP_SPINCOUNT=1000;ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0")
endfunction()

# espalier_plugin(KIND NAME SOURCES... [TESTS ...] [LINKS ...]): an OBJECT library wrapped twice, as the target <kind>.<name>, the loadable
# file plugins/<kind>.<name>.so of the build folder, and, with TESTS, as the test program test_<kind>_<name>, which links the conformance
# suites and which a debugger sees without dlopen.
function(espalier_plugin kind name)
  cmake_parse_arguments(arg "" "" "SOURCES;TESTS;LINKS" ${ARGN})
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "espalier_plugin(${kind} ${name}): write espalier_plugin(kind name SOURCES a.cpp ... [TESTS a_test.cpp ...] [LINKS ...])")
  endif()
  set(plugin ${kind}.${name})
  set(objects ${plugin}.objects)
  add_library(${objects} OBJECT ${arg_SOURCES})
  target_include_directories(${objects} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
  target_compile_options(${objects} PRIVATE ${ESPALIER_PLUGIN_FLAGS})
  target_link_libraries(${objects} PRIVATE espalier::flags PUBLIC espalier::espalier ${arg_LINKS})
  if(COMMAND espalier_precompiled)
    espalier_precompiled(${objects} plugin)
  endif()
  add_library(${plugin} MODULE $<TARGET_OBJECTS:${objects}>)
  target_link_libraries(${plugin} PRIVATE espalier::espalier ${arg_LINKS})
  target_link_options(${plugin} PRIVATE -Wl,-z,nodelete)
  set_target_properties(${plugin} PROPERTIES PREFIX "" OUTPUT_NAME "${plugin}" LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/plugins")
  if(TARGET espalier_plugins)
    add_dependencies(espalier_plugins ${plugin})
  endif()
  if(ESPALIER_TESTS AND arg_TESTS)
    if(ESPALIER_NO_CONFORMANCE)
      message(FATAL_ERROR "espalier_plugin(${kind} ${name}): TESTS need the conformance suites: ${ESPALIER_NO_CONFORMANCE}. "
        "-DESPALIER_TESTS=OFF builds the plugins alone.")
    endif()
    espalier_test(test_${kind}_${name} SOURCES ${arg_TESTS} $<TARGET_OBJECTS:${objects}> LINKS espalier::conformance ${arg_LINKS})
  endif()
endfunction()
