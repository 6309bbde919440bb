#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/progress.h"

// A command is one function in a file of its own, <name>.cpp, and one line of the table in command.cpp. Its result goes to stdout through
// print(); progress and everything else to stderr. It throws espalier::Error and main() turns that into a message and the exit code.
namespace espalier::cli {

using Args = std::vector<std::string>;  // after the command's name

int run(const Args& args);
int validate(const Args& args);
int plan(const Args& args);
int explain(const Args& args);
int work(const Args& args);
int plugins(const Args& args);
int cache(const Args& args);
int select(const Args& args);
int export_samples(const Args& args);  // export.cpp; `export` is a word of C++
int import_scores(const Args& args);

struct Command {
  std::string name;
  std::string help;  // one line
  int (*run)(const Args& args);
};
const std::vector<Command>& commands();  // in the order --help lists them

// A command's options, each bound to the variable that holds its value (its initial value is the default).
//   CommonOptions common;
//   bool probe = false;
//   Arguments arguments("plan <pipeline.toml>", "Says what would run and what would be reused.");
//   add_pipeline_options(arguments, common);
//   arguments.flag("probe", probe, "measure one block to estimate time");
//   if (!arguments.parse(args)) return 0;  // --help was printed
class Arguments {
 public:
  Arguments(std::string usage, std::string about);  // usage: without "espalier"
  ~Arguments();
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;

  Arguments& flag(const std::string& name, bool& target, const std::string& help);
  Arguments& text(const std::string& name, std::string& target, const std::string& help);                // --name VALUE
  Arguments& texts(const std::string& name, std::vector<std::string>& target, const std::string& help);  // repeatable
  Arguments& positional(const std::string& name, std::string& target, bool required = true);             // in the order declared

  // False when --help was given and printed. Throws ConfigError: an unknown option (with the nearest name), a missing value or
  // positional, one too many.
  bool parse(const Args& args);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What most commands take.
struct CommonOptions {
  std::string pipeline;                  // positional, required
  std::vector<std::string> overrides;    // --set path=value, repeatable
  std::vector<std::string> plugin_dirs;  // --plugin-dir DIR, repeatable
  std::string threads;                   // --threads N
  bool json = false;                     // --json
  bool quiet = false;                    // --quiet: no progress

  std::vector<std::filesystem::path> plugin_folders() const;
  std::unique_ptr<Progress> progress() const;  // for stderr, silent with --quiet
};
void add_pipeline_options(Arguments& arguments, CommonOptions& options);  // all of them
void add_plugin_options(Arguments& arguments, CommonOptions& options);    // --plugin-dir, --json and --quiet alone

// Keeps stdout for print() alone: whatever else writes there from now on, such as a plugin, writes to stderr. Called first of all in main.
void keep_stdout();

// Writes text to stdout. A reader that has gone away (a closed pipe) is not an error: what follows is dropped. Any other failure throws
// DataError.
void print(std::string_view text);

}  // namespace espalier::cli
