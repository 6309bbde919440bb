# RDKit as Debian packages it (no config file of its own): RDKit_FOUND and a target RDKit::<component> for each component
# asked for. Never ask for RDBoost: it brings a second Python.
find_path(RDKit_INCLUDE_DIR GraphMol/ROMol.h PATH_SUFFIXES rdkit)
set(_rdkit_libraries)
foreach(component IN LISTS RDKit_FIND_COMPONENTS)
  find_library(RDKit_${component}_LIBRARY "RDKit${component}")
  list(APPEND _rdkit_libraries RDKit_${component}_LIBRARY)
  if(RDKit_INCLUDE_DIR AND RDKit_${component}_LIBRARY AND NOT TARGET RDKit::${component})
    add_library(RDKit::${component} UNKNOWN IMPORTED)
    set_target_properties(RDKit::${component} PROPERTIES IMPORTED_LOCATION "${RDKit_${component}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${RDKit_INCLUDE_DIR}" INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${RDKit_INCLUDE_DIR}")
  endif()
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(RDKit REQUIRED_VARS RDKit_INCLUDE_DIR ${_rdkit_libraries})
mark_as_advanced(RDKit_INCLUDE_DIR ${_rdkit_libraries})
