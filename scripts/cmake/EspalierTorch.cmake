# torch::cpu: LibTorch's CPU libraries out of the PyPI wheel that scripts/setup installs.
# find_package(Torch) is avoided: it drags in nvcc, architecture flags and CUDA libraries that the program loads only when asked.
if(NOT ESPALIER_TORCH)
  if(DEFINED ENV{ESPALIER_TORCH})
    set(ESPALIER_TORCH "$ENV{ESPALIER_TORCH}")
  else()
    set(home "$ENV{ESPALIER_HOME}")
    if(NOT home)
      set(home "$ENV{HOME}/.cache/espalier")
    endif()
    file(GLOB candidates "${home}/torch/lib/python3*/site-packages/torch")
    if(candidates)
      list(GET candidates 0 ESPALIER_TORCH)
    endif()
  endif()
endif()
if(NOT EXISTS "${ESPALIER_TORCH}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found (ESPALIER_TORCH='${ESPALIER_TORCH}'): run scripts/setup first, "
    "or set ESPALIER_TORCH to the folder of an installed torch 2.11.0 wheel.")
endif()
file(STRINGS "${ESPALIER_TORCH}/version.py" ESPALIER_TORCH_VERSION REGEX "^__version__ = ")
string(REGEX REPLACE ".*'([^']+)'.*" "\\1" ESPALIER_TORCH_VERSION "${ESPALIER_TORCH_VERSION}")

# libtorch_cpu.so needs libcudart.so.13 and libcupti.so.13 of CUDA; the wheels beside torch carry them.
get_filename_component(ESPALIER_TORCH_CUDA "${ESPALIER_TORCH}/../nvidia/cu13/lib" ABSOLUTE)

add_library(torch_c10 SHARED IMPORTED)
set_target_properties(torch_c10 PROPERTIES IMPORTED_LOCATION "${ESPALIER_TORCH}/lib/libc10.so")
add_library(torch_cpu_lib SHARED IMPORTED)
set_target_properties(torch_cpu_lib PROPERTIES
  IMPORTED_LOCATION "${ESPALIER_TORCH}/lib/libtorch_cpu.so"
  IMPORTED_LINK_DEPENDENT_LIBRARIES torch_c10)
add_library(torch_cpu INTERFACE)
# Searched after the system's own headers: LibTorch carries a copy of fmt (another version than the one we link) that must not win.
target_compile_options(torch_cpu INTERFACE
  "SHELL:-idirafter ${ESPALIER_TORCH}/include" "SHELL:-idirafter ${ESPALIER_TORCH}/include/torch/csrc/api/include")
target_compile_definitions(torch_cpu INTERFACE AT_PER_OPERATOR_HEADERS ESPALIER_TORCH_VERSION="${ESPALIER_TORCH_VERSION}")
target_link_libraries(torch_cpu INTERFACE torch_cpu_lib torch_c10)
target_link_options(torch_cpu INTERFACE
  "-Wl,-rpath,${ESPALIER_TORCH}/lib" "-Wl,-rpath,${ESPALIER_TORCH_CUDA}" "-Wl,-rpath-link,${ESPALIER_TORCH_CUDA}"
  -Wl,--disable-new-dtags)  # DT_RPATH also serves libtorch_cpu.so's own look-up of CUDA's libraries
add_library(torch::cpu ALIAS torch_cpu)
