#include "plugins/shared/program/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "plugins/shared/program/failure.h"

namespace espalier::program {
namespace {

namespace fs = std::filesystem;

std::string_view name_of(std::string_view variable) { return variable.substr(0, variable.find('=')); }

std::vector<std::string> merged(const std::vector<std::string>& added) {
  std::vector<std::string> all;
  const auto replaced = [&](std::string_view variable) {
    for (const auto& other : added) {
      if (name_of(other) == name_of(variable)) return true;
    }
    return false;
  };
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    if (!replaced(*variable)) all.emplace_back(*variable);
  }
  all.insert(all.end(), added.begin(), added.end());
  return all;
}

std::string value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (auto variable = environment.rbegin(); variable != environment.rend(); ++variable) {
    if (name_of(*variable) == name && variable->size() > name.size()) return variable->substr(name.size() + 1);
  }
  return "";
}

void require_executable(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) throw Refusal(fmt::format("'{}' is a folder; name a file that can be executed", path));
  if (::access(path.c_str(), X_OK) == 0) return;
  throw Refusal(fmt::format("'{}' is not executable ({}); set its mode by chmod +x, or name its interpreter first in command", path,
                            std::strerror(errno)));
}

std::string found_in_path(const std::string& program, const std::string& path) {
  std::string denied;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find(':', begin), path.size());
    const auto folder = path.substr(begin, end - begin);
    const auto file = (folder.empty() ? std::string(".") : folder) + "/" + program;
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored)) {
      if (::access(file.c_str(), X_OK) == 0) return file;
      denied = file;
    }
    begin = end + 1;
  }
  if (!denied.empty()) require_executable(denied);
  throw Refusal(fmt::format("'{}' is not there: no folder of PATH has it ({}); install it, or name it by its path", program, path));
}

}  // namespace

Command::Command(std::vector<std::string> words, const std::vector<std::string>& environment)
    : words_(std::move(words)), environment_(merged(environment)) {
  const auto& program = words_.at(0);
  if (program.find('/') == std::string::npos) {
    path_ = found_in_path(program, value_of(environment_, "PATH"));
    return;
  }
  std::error_code ignored;
  if (!fs::exists(program, ignored)) {
    throw Refusal(fmt::format("'{}' is not there (from the folder {}); name a file that can be executed", program,
                              fs::current_path(ignored).string()));
  }
  require_executable(program);
  path_ = program;
}

std::string Command::exec_error(int error) const {
  if (error == ENOEXEC) {
    return fmt::format("'{}' is no program: it has neither the form of one nor a first line #!; name its interpreter first in command",
                       path_);
  }
  if (error == ENOENT) return fmt::format("'{}' cannot be started: the interpreter that its first line #! names is not there", path_);
  return fmt::format("'{}' cannot be started: {}", path_, std::strerror(error));
}

std::vector<char*> Command::pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));  // execve does not change them
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace espalier::program
