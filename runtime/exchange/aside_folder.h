#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace espalier::exchange {

// A folder that is written beside its place and renamed to it at the end, so that no reader sees a part of it. What is not published is
// removed. Throws DataError where a file cannot be written.
class AsideFolder {
 public:
  explicit AsideFolder(const std::filesystem::path& target);  // ConfigError unless the target is absent or an empty folder
  ~AsideFolder();
  AsideFolder(const AsideFolder&) = delete;
  AsideFolder& operator=(const AsideFolder&) = delete;

  void write(const std::string& file, std::string_view bytes);  // a new file; its folders are made
  void publish();                                               // once, after at least one file

 private:
  std::filesystem::path target_;
  std::filesystem::path aside_;  // made with the first file
};

}  // namespace espalier::exchange
