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

// A fresh folder with a canary that sings when a library's constructor runs.
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

  std::filesystem::path add_canary(const std::string& name = "metric.canary.so") const {
    std::filesystem::copy_file(canary_library(), folder_ / name);
    return folder_ / name;
  }
  bool sang() const { return std::filesystem::exists(root_ / "canary"); }

  // What load_catalog says; "" when it loads.
  std::string refusal() const {
    try {
      load_catalog({folder_});
      return "";
    } catch (const PluginError& error) {
      return error.what();
    }
  }

  static std::filesystem::path canary_library() { return std::string(ESPALIER_BINARY_DIR) + "/tests/canary/canary_plugin.so"; }
  static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void write(const std::filesystem::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

  std::filesystem::path root_;
  std::filesystem::path folder_;
};

}  // namespace espalier::plugin
