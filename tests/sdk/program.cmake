# The program's conventions: help, version, exit codes, messages on stderr, results on stdout, a reader that closes stdout.
# cmake -DPROGRAM=<espalier> -DWORK=<folder> -P program.cmake
set(ENV{ESPALIER_PLUGIN_PATH} "")
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

function(expect code out err)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE found_code OUTPUT_VARIABLE found_out ERROR_VARIABLE found_err WORKING_DIRECTORY "${WORK}")
  if(NOT found_code STREQUAL code OR NOT found_out MATCHES "${out}" OR NOT found_err MATCHES "${err}")
    message(SEND_ERROR "${ARGN}: expected ${code}, '${out}', '${err}'; found ${found_code}, '${found_out}', '${found_err}'")
  endif()
endfunction()

expect(0 "^usage: espalier <command>.*validate.*plugins" "^$" "${PROGRAM}" --help)
expect(0 "^espalier [0-9.]+ \\(SDK ABI [0-9]+, LibTorch 2[^)]+\\)\n$" "^$" "${PROGRAM}" --version)
expect(2 "^$" "^espalier: error:.*no command given" "${PROGRAM}")
expect(2 "^$" "^espalier: error: unknown command 'vaildate'; did you mean 'validate'\\?\n$" "${PROGRAM}" vaildate)
expect(0 "^usage: espalier validate <pipeline.toml>.*--plugin-dir" "^$" "${PROGRAM}" validate --help)
expect(2 "^$" "unknown option '--jsno'; did you mean '--json'\\?" "${PROGRAM}" plugins list --jsno)
expect(2 "^$" "missing <pipeline.toml>" "${PROGRAM}" validate)
expect(2 "^$" "unexpected argument 'b.toml'" "${PROGRAM}" validate a.toml b.toml)
expect(2 "^$" "'--set'" "${PROGRAM}" validate a.toml --set)
expect(2 "^$" "^espalier: error: none.toml: no such pipeline file\n$" "${PROGRAM}" validate none.toml)
expect(2 "^$" "unknown action 'lst'; did you mean 'list'\\?" "${PROGRAM}" plugins lst)
expect(2 "^$" "no plugin 'filter.topk'; did you mean 'filter.top_k'\\?" "${PROGRAM}" plugins info filter.topk)
expect(2 "^$" "needs a plugin, kind.name" "${PROGRAM}" plugins info)
expect(0 "(^|\n)filter.top_k +[A-Z]" "^$" "${PROGRAM}" plugins list)
expect(0 "\"type\": \"filter.top_k\"" "^$" "${PROGRAM}" plugins list --json)
expect(0 "^filter.top_k\n.*inputs\n  scores \\(scores, one or more\\)\n.*  k \\(integer, 1 to 1000000000\\) = 1  \\[keyed\\]\n" "^$" "${PROGRAM}" plugins info filter.top_k)
expect(0 "\n\\| `k` \\| integer \\| `1` \\| 1 to 1000000000 \\| keyed \\| " "^$" "${PROGRAM}" plugins info filter.top_k --markdown)
expect(0 "\"default\": 1," "^$" "${PROGRAM}" plugins info filter.top_k --json)

# Problems stand on lines of their own, so that an editor finds them.
file(WRITE "${WORK}/bad.toml" "name = \"x\"\nsede = 3\n[domain]\ntype = \"domain.text_to_imag\"\n[[stage]]\ntag = \"s\"\ntype = \"sampler.ddm\"\n")
expect(2 "^$" "^espalier: error:\nbad.toml:2:1: [^\n]*'seed'\\?\nbad.toml:4:1: [^\n]*'domain.text_to_image'\\?\nbad.toml:5:1: [^\n]*\nbad.toml:7:1: [^\n]*'sampler.ddim'\\?\n$"
  "${PROGRAM}" validate bad.toml)

# A library that is no plugin fails the pipelines that name a plugin it may have, with exit code 3; others run as before.
file(WRITE "${WORK}/folder/odd.so" "text")
expect(0 "filter.top_k.*\nrefused +[^\n]*/odd.so: is not an ELF library\n$" "^$" "${PROGRAM}" plugins list --plugin-dir folder)
expect(3 "^$" "filter.odd' is loaded; it may be one of these, which were refused:\n[^\n]*/odd.so: is not an ELF library\n$"
  "${PROGRAM}" plugins info filter.odd --plugin-dir folder)
expect(3 "^$" "plugin folder nowhere: No such file or directory\n$" "${PROGRAM}" plugins list --plugin-dir nowhere)

# The reader of stdout is gone before anything is written.
expect(0 "^$" "^$" bash -c "exec 3> >(:); wait $!; exec \"$0\" plugins list >&3" "${PROGRAM}")
expect(1 "^$" "^espalier: error: cannot write to stdout: No space left on device\n$" bash -c "exec \"$0\" --help >/dev/full" "${PROGRAM}")
