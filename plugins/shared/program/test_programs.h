#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "plugins/shared/program/settings.h"
#include "runtime/base/files.h"
#include "runtime/sdk/stage_context.h"

// What tests of programs share; test_program.py is the program.
namespace espalier::program {

// A folder of the test's own, removed at its end.
class Scratch {
 public:
  Scratch() : path_(std::filesystem::path(testing::TempDir()) / ("espalier-" + unique_name())) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::vector<std::string> test_command(const std::string& how, const std::string& file = "") {
  return {"python3", std::string(ESPALIER_SOURCE_DIR) + "/plugins/shared/program/test_program.py", how, file};
}

inline Settings test_settings(const std::string& how, const std::string& file = "") {
  Settings settings;
  settings.command = test_command(how, file);
  settings.identity = "test 1";
  settings.timeout_seconds = 60.0;
  return settings;
}

// A stop that is requested a while after the test began.
class StopsSoon final : public StopToken {
 public:
  bool stop_requested() const override { return std::chrono::steady_clock::now() > at_; }

 private:
  std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
};

// Whether the condition comes true: what another process does takes its time.
inline bool becomes_true(const std::function<bool()>& condition) {
  for (int round = 0; round < 1000; ++round) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// Whether a process runs: a zombie does not.
inline bool runs(const std::string& process) {
  std::ifstream in("/proc/" + process + "/stat");
  std::string text;
  std::getline(in, text);
  const auto end = text.rfind(')');
  return end != std::string::npos && text.size() > end + 2 && text[end + 2] != 'Z' && text[end + 2] != 'X';
}

// The processes that test_program.py has started and named in a file.
inline std::vector<std::string> named_in(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> processes;
  for (std::string process; in >> process;) processes.push_back(process);
  return processes;
}

}  // namespace espalier::program
