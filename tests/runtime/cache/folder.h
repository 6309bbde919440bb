#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::cache::testing {

// An empty folder, removed at the end. In memory where there is /dev/shm and the test requests it: a test of many rounds would only wait
// for fsync.
class TempFolder {
 public:
  explicit TempFolder(bool in_memory = false);
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

using Tree = std::map<std::string, std::string>;  // relative path to content, of regular files
Tree read_tree(const std::filesystem::path& folder);
void write_tree(const std::filesystem::path& folder, const Tree& tree);  // replaces all that is there

std::string slurp(const std::filesystem::path& path);
void overwrite(const std::filesystem::path& path, std::string_view bytes);  // in place, whatever its mode
std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder);

}  // namespace espalier::cache::testing
