# Installs this build, builds a plugin against it as a stranger would, and loads it with the installed program.
# cmake -DBUILD=<build folder> -DSOURCE=<tests/sdk/out_of_tree> -DWORK=<empty folder> -DCOMPILER=<c++> -P out_of_tree.cmake
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

file(REMOVE_RECURSE "${WORK}")
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${WORK}/prefix")
run(${CMAKE_COMMAND} -G Ninja -S "${SOURCE}" -B "${WORK}/build" "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DCMAKE_CXX_COMPILER=${COMPILER}"
  -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror ${FLAGS}")
run(${CMAKE_COMMAND} --build "${WORK}/build")

set(program "${WORK}/prefix/bin/espalier")
run("${program}" plugins list --plugin-dir "${WORK}/build/plugins")
expect("reward.brightness")
expect("filter.top_k")  # an installed one
run("${program}" plugins info reward.brightness --plugin-dir "${WORK}/build/plugins")
expect("gain (number, > 0) = 1.0  [keyed]")
expect("max_invalid_fraction")
expect("${WORK}/build/plugins/reward.brightness.so")

# The installed program does not need the build folder's library.
execute_process(COMMAND ldd "${program}" OUTPUT_VARIABLE output)
expect("${WORK}/prefix/bin/../lib/libespalier.so")
