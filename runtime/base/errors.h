#pragma once

#include <stdexcept>
#include <string>

namespace espalier {

// Exit codes, stable (see docs/pipelines.md).
enum class ExitCode : int {
  ok = 0,
  stage_failed = 1,
  usage = 2,
  plugin = 3,
  cache = 4,
  stopped = 75,         // work saved, safe to run again
  inputs_missing = 76,  // `work`: what its blocks need has not been made yet
  interrupted = 130,    // a second Ctrl-C
};

// Every message names the place, what was found, and what would be right. The type names who must act.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

struct ConfigError : Error {  // the author of the pipeline or of the command
  explicit ConfigError(const std::string& message) : Error(ExitCode::usage, message) {}
};
struct PluginError : Error {  // the plugin's builder
  explicit PluginError(const std::string& message) : Error(ExitCode::plugin, message) {}
};
struct DataError : Error {  // who gave the file
  explicit DataError(const std::string& message) : Error(ExitCode::stage_failed, message) {}
};
struct StageError : Error {  // a stage could not do its work
  explicit StageError(const std::string& message) : Error(ExitCode::stage_failed, message) {}
};
struct CacheError : Error {  // the cache is damaged, foreign, full or not writable
  explicit CacheError(const std::string& message) : Error(ExitCode::cache, message) {}
};
struct InternalError : Error {  // us
  explicit InternalError(const std::string& message) : Error(ExitCode::stage_failed, "internal error: " + message) {}
};
struct Stopped : Error {  // the user asked to stop; what was done is saved
  explicit Stopped(const std::string& message) : Error(ExitCode::stopped, message) {}
};

}  // namespace espalier
