# Installs this build, builds and tests the examples against it as a stranger would, and loads them with the installed program.
# cmake -DBUILD=<build folder> -DROOT=<this repository> -DWORK=<empty folder> -DCOMPILER=<c++> -DLAUNCHER=<ccache or ""> -P out_of_tree.cmake
set(ENV{ESPALIER_PLUGIN_PATH} "")
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}: exit code ${code}\n${out}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()
function(expect text)
  string(FIND "${output}" "${text}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "'${text}' is missing in:\n${output}")
  endif()
endfunction()
# Configures, builds and tests a project; no build type is asked for.
function(build source folder)
  run(${CMAKE_COMMAND} -G Ninja -S "${source}" -B "${folder}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DCMAKE_CXX_COMPILER=${COMPILER}"
    "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror ${FLAGS}")
  run(${CMAKE_COMMAND} --build "${folder}")
  run(${CMAKE_CTEST_COMMAND} --test-dir "${folder}" --output-on-failure --no-tests=error)
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE "${WORK}")
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${WORK}/prefix")
set(sdk "${WORK}/prefix/share/espalier")
build("${sdk}/examples" "${WORK}/build")
expect("tests passed, 0 tests failed out of 7")
file(STRINGS "${WORK}/build/CMakeCache.txt" output REGEX "^CMAKE_BUILD_TYPE:")
expect("=Release")
if(EXISTS "${WORK}/prefix/include/espalier/runtime/network/in_place.h")
  message(FATAL_ERROR "functions that work in place on their argument are installed")
endif()

set(program "${WORK}/prefix/bin/espalier")
set(plugins --plugin-dir "${WORK}/build/plugins")
run("${program}" plugins list ${plugins})
foreach(plugin domain.signals filter.cutoff metric.brightness noise_corrector.picard reward.brightness reward.signals_low_band sampler.multistep trainer.weighted_sft)
  expect("${plugin}")
endforeach()
expect("filter.top_k")  # an installed one
run("${program}" plugins info reward.brightness ${plugins})
expect("gain (number, > 0) = 1.0  [keyed]")
expect("max_invalid_fraction")
expect("${WORK}/build/plugins/reward.brightness.so")
file(MAKE_DIRECTORY "${WORK}/run")
file(CREATE_LINK "${ROOT}/datasets" "${WORK}/run/datasets" SYMBOLIC)  # whose blueprints of models the examples name
file(CREATE_LINK "${sdk}/examples/domain" "${WORK}/run/domain" SYMBOLIC)  # or their own
file(GLOB examples "${sdk}/examples/*/*/example.toml")
foreach(example ${examples})
  execute_process(COMMAND "${program}" run --quiet "${example}" ${plugins} WORKING_DIRECTORY "${WORK}/run"
    RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${example}:\n${output}")
  endif()
endforeach()
run(python3 "${ROOT}/tests/sdk/out_of_tree/domain/signals/pipeline_test.py" "${WORK}/run/runs/example-signals")

# A plugin that the installed script writes.
run("${sdk}/new_plugin" reward my_reward --out-of-tree "${WORK}/mine")
build("${WORK}/mine" "${WORK}/mine/build")
run("${program}" plugins info reward.my_reward --plugin-dir "${WORK}/mine/build/plugins")

# The installed program does not need the build folder's library.
execute_process(COMMAND ldd "${program}" OUTPUT_VARIABLE output)
expect("${WORK}/prefix/bin/../lib/libespalier.so")
