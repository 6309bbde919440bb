set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
add_compile_options(-fPIC)  # everywhere, executables too: a precompiled header serves only files of the same options
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")  # the heavy loops are LibTorch's

option(ESPALIER_TESTS "Build the tests" ON)
set(ESPALIER_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them (address, undefined)")

find_program(ESPALIER_CCACHE ccache)
if(ESPALIER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache asks for, to keep files that use a precompiled header; GCC then also needs -fpch-preprocess.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${ESPALIER_CCACHE}")
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()
find_program(ESPALIER_MOLD mold)
if(ESPALIER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Our own targets only; libraries are SYSTEM.
add_library(espalier_flags INTERFACE)
add_library(espalier::flags ALIAS espalier_flags)
target_compile_options(espalier_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
  -ffp-contract=off                       # random numbers and keys have the same bits on every machine
  $<$<CONFIG:Debug>:-g1>)                 # LibTorch's headers make full debug information enormous
# GCC 12's middle end raises these falsely inside its own headers, for "literal" + std::string and lists of variants (its bugs 105651, 105562);
# a precompiled header no longer counts as the system's.
foreach(warning restrict stringop-overflow stringop-overread array-bounds maybe-uninitialized)
  target_compile_options(espalier_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-${warning}>)
endforeach()
if(ESPALIER_SANITIZE)
  add_compile_options(-fsanitize=${ESPALIER_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${ESPALIER_SANITIZE})
endif()
target_compile_definitions(espalier_flags INTERFACE ESPALIER_SANITIZE="${ESPALIER_SANITIZE}")
set(ESPALIER_TEST_FLAGS $<$<CONFIG:Release>:-O1>)  # tests are compiled more often than they compute
