set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

option(ESPALIER_TESTS "Build the tests" ON)
set(ESPALIER_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them (address, undefined)")

find_program(ESPALIER_CCACHE ccache)
if(ESPALIER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${ESPALIER_CCACHE}")
endif()
find_program(ESPALIER_MOLD mold)
if(ESPALIER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Our own targets only; libraries are SYSTEM.
add_library(espalier_flags INTERFACE)
target_compile_options(espalier_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # GCC 12 raises it falsely for "literal" + std::string (its bug 105651)
  -ffp-contract=off                       # random numbers and keys have the same bits on every machine
  $<$<CONFIG:Debug>:-g1>)                 # LibTorch's headers make full debug information enormous
if(ESPALIER_SANITIZE)
  add_compile_options(-fsanitize=${ESPALIER_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${ESPALIER_SANITIZE})
endif()
target_compile_definitions(espalier_flags INTERFACE ESPALIER_SANITIZE="${ESPALIER_SANITIZE}")
