#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace espalier::report {

struct Output {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs a program to its end, its output kept in `folder`.
Output run_program(const std::vector<std::string>& command, const std::filesystem::path& folder);

// The first of `names` found in PATH, or "".
std::string find_program(const std::vector<std::string>& names);

}  // namespace espalier::report
