find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc)
find_package(tomlplusplus REQUIRED)
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(RDKit REQUIRED COMPONENTS
  RDGeneral RDGeometryLib DataStructs GraphMol SmilesParse FileParsers SubstructMatch ChemTransforms Descriptors Fingerprints
  DistGeomHelpers ForceField ForceFieldHelpers)
find_package(Boost 1.74 REQUIRED COMPONENTS program_options filesystem)

add_library(espalier_hdf5 INTERFACE)
target_include_directories(espalier_hdf5 SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
target_link_libraries(espalier_hdf5 INTERFACE ${HDF5_C_LIBRARIES})

if(ESPALIER_TESTS)
  find_package(GTest REQUIRED)
endif()
