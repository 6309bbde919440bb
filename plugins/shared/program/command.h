#pragma once

#include <string>
#include <vector>

namespace espalier::program {

// What execve(2) takes, made before the fork: nothing may be allocated after it.
class Command {
 public:
  // `words`: the program and its arguments; a program without "/" is looked up in the new environment's PATH. `environment`: "NAME=value",
  // in place of Espalier's own variables of these names. Throws Refusal where there is no such program, or it is not executable.
  Command(std::vector<std::string> words, const std::vector<std::string>& environment);

  const std::string& path() const { return path_; }
  // Null-terminated; valid as long as the command is.
  std::vector<char*> argv() const { return pointers(words_); }
  std::vector<char*> envp() const { return pointers(environment_); }
  // Of a failed execve: what is wrong with the file.
  std::string exec_error(int error) const;

 private:
  static std::vector<char*> pointers(const std::vector<std::string>& texts);
  std::vector<std::string> words_, environment_;
  std::string path_;
};

}  // namespace espalier::program
