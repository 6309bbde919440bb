#include "runtime/cli/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/base/text.h"

namespace po = boost::program_options;

namespace espalier::cli {
namespace {

// Where print() writes. Below 0: the program was started with a closed stdout.
int& results() {
  static int descriptor = STDOUT_FILENO;
  return descriptor;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"run", "run a pipeline; what the cache holds is reused", run},
      {"validate", "check a pipeline file: keys, plugins, options, inputs, and the domain", validate},
      {"plan", "say what would run, what would be reused, and why", plan},
      {"explain", "say what each stage's key is, and how it differs from the nearest entry", explain},
      {"work", "compute one shard's blocks of sampling and scoring", work},
      {"plugins", "list the plugins, or the options of one", plugins},
      {"cache", "list the cache, look for damage, print its size, or try its file system", cache},
      {"select", "show what filters would accept of the scores in the cache, and their laws", select},
      {"export", "write a stage's samples as other programs read them", export_samples},
      {"import-scores", "check another program's results, and write scores that a pipeline takes", import_scores},
  };
  return table;
}

struct Arguments::Impl {
  struct Positional {
    std::string name;
    std::string* target;
    bool required;
  };
  std::string usage;
  std::string about;
  po::options_description described{"Options"};
  std::vector<std::string> names;  // "--set", for "did you mean"
  std::vector<Positional> positionals;

  std::string help() const {
    std::ostringstream out;
    out << "usage: espalier " << usage << "\n\n" << about << "\n\n" << described;
    return out.str();
  }
};

Arguments::Arguments(std::string usage, std::string about) : impl_(std::make_unique<Impl>()) {
  impl_->usage = std::move(usage);
  impl_->about = std::move(about);
  impl_->described.add_options()("help,h", "print this and exit");
  impl_->names.push_back("--help");
}

Arguments::~Arguments() = default;

Arguments& Arguments::flag(const std::string& name, bool& target, const std::string& help) {
  impl_->described.add_options()(name.c_str(), po::bool_switch(&target)->default_value(target), help.c_str());
  impl_->names.push_back("--" + name);
  return *this;
}

Arguments& Arguments::text(const std::string& name, std::string& target, const std::string& help) {
  impl_->described.add_options()(name.c_str(), po::value(&target), help.c_str());
  impl_->names.push_back("--" + name);
  return *this;
}

Arguments& Arguments::texts(const std::string& name, std::vector<std::string>& target, const std::string& help) {
  impl_->described.add_options()(name.c_str(), po::value(&target), help.c_str());
  impl_->names.push_back("--" + name);
  return *this;
}

Arguments& Arguments::positional(const std::string& name, std::string& target, bool required) {
  impl_->positionals.push_back({name, &target, required});
  return *this;
}

bool Arguments::parse(const Args& args) {
  const std::string hint = fmt::format("\nusage: espalier {}", impl_->usage);
  for (const auto& argument : args) {
    if (!is_utf8(argument)) throw ConfigError(fmt::format("'{}': is not valid UTF-8, so that no report could name it", as_utf8(argument)));
  }
  std::vector<std::string> given;
  try {
    po::options_description all;
    all.add(impl_->described).add_options()("argument", po::value(&given));
    po::positional_options_description positions;
    positions.add("argument", -1);
    // A shortened name would change its meaning as soon as a longer one is added.
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::variables_map values;
    po::store(po::command_line_parser(args).options(all).positional(positions).style(style).run(), values);
    if (values.count("help") != 0) {
      print(impl_->help());
      return false;
    }
    po::notify(values);
  } catch (const po::unknown_option& error) {
    const std::string name = error.get_option_name();
    throw ConfigError(fmt::format("unknown option '{}'{}{}", name, did_you_mean(name, impl_->names), hint));
  } catch (const po::error& error) {
    throw ConfigError(error.what() + hint);
  }
  for (std::size_t i = 0; i < impl_->positionals.size(); ++i) {
    const auto& [name, target, required] = impl_->positionals[i];
    if (i < given.size()) {
      *target = given[i];
    } else if (required) {
      throw ConfigError(fmt::format("missing <{}>{}", name, hint));
    }
  }
  if (given.size() > impl_->positionals.size()) {
    throw ConfigError(fmt::format("unexpected argument '{}'{}", given[impl_->positionals.size()], hint));
  }
  return true;
}

std::vector<std::filesystem::path> CommonOptions::plugin_folders() const { return {plugin_dirs.begin(), plugin_dirs.end()}; }

std::unique_ptr<Progress> CommonOptions::progress() const { return quiet ? make_silent_progress() : make_progress(); }

void add_pipeline_options(Arguments& arguments, CommonOptions& options) {
  arguments.positional("pipeline.toml", options.pipeline);
  arguments.texts(
      "set", options.overrides,
      "PATH=VALUE: override seed, name, cache.path, device.type, device.dtype, domain.<option>, models.<name>, models.<name>.<key> or "
      "<tag>.<option>");
  arguments.text(
      "threads", options.threads,
      "N: threads of training and metrics, and of sampling unless --workers says otherwise (default: the cores this process may use)");
  add_plugin_options(arguments, options);
}

void add_plugin_options(Arguments& arguments, CommonOptions& options) {
  arguments.texts("plugin-dir", options.plugin_dirs, "DIR: load plugins from here too, before ESPALIER_PLUGIN_PATH and the build's own");
  arguments.flag("json", options.json, "print the result as JSON");
  arguments.flag("quiet", options.quiet, "no progress on stderr");
}

void keep_stdout() {
  results() = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  // The next file opened would take the place of a closed one, and what is printed.
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(standard, F_GETFD) < 0) ::open("/dev/null", O_RDWR);
  }
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
}

void print(std::string_view text) {
  static bool reader_gone = false;  // main's thread only
  while (!text.empty() && !reader_gone) {
    const ssize_t count = ::write(results(), text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EPIPE) {
      reader_gone = true;
    } else if (errno != EINTR) {
      throw DataError(fmt::format("cannot write to stdout: {}", std::strerror(errno)));
    }
  }
}

}  // namespace espalier::cli
