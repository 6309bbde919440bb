#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "runtime/base/errors.h"
#include "runtime/plugin/catalog.h"

namespace espalier::plugin {

// A fresh folder with a file (the canary) that a library's constructor writes when it runs.
class PluginFolder : public ::testing::Test {
 protected:
  PluginFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "espalier-plugin-XXXXXX").string();
    root_ = std::filesystem::canonical(::mkdtemp(pattern.data()));
    folder_ = root_ / "plugins";
    std::filesystem::create_directory(folder_);
    ::setenv("ESPALIER_TEST_CANARY", (root_ / "canary").c_str(), 1);
    ::unsetenv("ESPALIER_TEST_REGISTER");
    ::unsetenv("ESPALIER_PLUGIN_PATH");
  }
  ~PluginFolder() override { std::filesystem::remove_all(root_); }

  std::filesystem::path add_canary(const std::string& name = "metric.canary.so") const { return add(canary_library(), name); }
  std::filesystem::path add(const std::filesystem::path& library, const std::string& name) const {
    std::filesystem::copy_file(library, folder_ / name);
    return folder_ / name;
  }
  bool sang() const { return std::filesystem::exists(root_ / "canary"); }

  // Why the folder, or the libraries in it, are refused, a line each; "" when all load.
  std::string refusal() const {
    std::string reasons;
    try {
      const Catalog catalog = load_catalog({folder_});
      for (const auto& refusal : catalog.refusals()) reasons += (reasons.empty() ? "" : "\n") + refusal.reason;
    } catch (const PluginError& error) {
      return error.what();
    }
    return reasons;
  }

  // A library that the build made for these tests.
  static std::filesystem::path built(const std::string& name) {
    return std::string(ESPALIER_BINARY_DIR) + "/tests/" + name + "/" + name + ".so";
  }
  static std::filesystem::path canary_library() { return built("canary_plugin"); }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write(const std::filesystem::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

  std::filesystem::path root_;
  std::filesystem::path folder_;
};

}  // namespace espalier::plugin
