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

include(EspalierPlugin)
