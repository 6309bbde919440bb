#include <fmt/format.h>
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "runtime/base/floating_point.h"
#include "runtime/base/suggest.h"
#include "runtime/cli/command.h"
#include "runtime/cli/last_words.h"
#include "runtime/sdk/stamp.h"
#include "runtime/tensor/failure.h"

namespace {

using espalier::ConfigError;
using espalier::ExitCode;
namespace cli = espalier::cli;

std::string help() {
  std::string text = "usage: espalier <command> [options]\n\nRuns reward fine-tuning pipelines and keeps their trajectories.\n\nCommands\n";
  for (const auto& command : cli::commands()) text += fmt::format("  {:<13} {}\n", command.name, command.help);
  return text + "\n'espalier <command> --help' prints a command's options; 'espalier --version' the version.\n";
}

int dispatch(const std::vector<std::string>& args) {
  if (args.empty()) throw ConfigError("no command given\n\n" + help());
  const std::string& name = args.front();
  if (name == "--help" || name == "-h" || name == "help") {
    cli::print(help());
    return 0;
  }
  if (name == "--version") {
    cli::print(fmt::format("espalier {} (SDK ABI {}, LibTorch {})\n", ESPALIER_VERSION, ESPALIER_ABI, ESPALIER_TORCH_VERSION));
    return 0;
  }
  std::vector<std::string> names;
  for (const auto& command : cli::commands()) {
    if (command.name == name) return command.run({args.begin() + 1, args.end()});
    names.push_back(command.name);
  }
  throw ConfigError(fmt::format("unknown command '{}'{}", name, espalier::did_you_mean(name, names)));
}

// libc keeps freed memory for the next tensors, up to 128 MiB, unless the environment says how it should. By its default it returns the
// memory after each step of a training and takes it again page by page, which is a tenth of the time (docs/results/speed.md). Blocks
// above 32 MiB, the most that its default grows to, are returned at once.
void keep_freed_memory() {
#ifdef __GLIBC__
  for (const char* name : {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"}) {
    if (std::getenv(name) != nullptr) return;
  }
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
#endif
}

int fail(ExitCode code, const char* message) {
  // The lines of a file's problems stand by themselves, so that an editor finds file:line:col.
  const bool many = std::string_view(message).find('\n') != std::string_view::npos;
  std::fprintf(stderr, "espalier: error:%s%s\n", many ? "\n" : " ", message);
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  keep_freed_memory();
  cli::keep_stdout();
  const cli::LastWords last_words;
  espalier::set_default_floating_point();
  std::signal(SIGPIPE, SIG_IGN);  // print() handles a closed stdout; the run finishes its work without a reader
  std::signal(SIGXFSZ, SIG_IGN);  // a file over the limit is a failed write with a message and an exit code
  try {
    return dispatch({argv + 1, argv + argc});
  } catch (const espalier::Stopped& stopped) {
    std::fprintf(stderr, "espalier: %s\n", stopped.what());
    return static_cast<int>(stopped.code());
  } catch (const espalier::Error& error) {
    return fail(error.code(), error.what());
  } catch (...) {
    return fail(ExitCode::stage_failed, espalier::failure_text(std::current_exception()).c_str());
  }
}
