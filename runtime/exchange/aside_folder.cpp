#include "runtime/exchange/aside_folder.h"

#include <system_error>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::exchange {
namespace {

namespace fs = std::filesystem;

// "out/" names the folder that "out" names.
fs::path without_slash(const fs::path& path) {
  const auto plain = path.lexically_normal();
  return plain.has_filename() ? plain : plain.parent_path();
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

// The functions of base/files.h name a cache in their type, which an export is not.
template <class Write>
auto writing(const Write& write) {
  try {
    return write();
  } catch (const CacheError& error) {
    throw DataError(error.what());
  }
}

}  // namespace

AsideFolder::AsideFolder(const fs::path& target) : target_(without_slash(target)) {
  std::error_code error;
  const auto status = fs::symlink_status(target_, error);
  if (status.type() == fs::file_type::not_found) return;
  if (error || !fs::is_directory(status)) throw ConfigError(target_.string() + ": is no folder; name an absent or empty one");
  if (!fs::is_empty(target_, error) || error) throw ConfigError(target_.string() + ": is not empty; name an absent or empty folder");
}

AsideFolder::~AsideFolder() {
  std::error_code error;
  if (!aside_.empty()) fs::remove_all(aside_, error);
}

void AsideFolder::write(const std::string& file, std::string_view bytes) {
  if (aside_.empty()) aside_ = folder_of(target_) / ("." + target_.filename().string() + "." + unique_name());
  const auto path = aside_ / file;
  writing([&] {
    make_folders(path.parent_path());
    write_durable(path, bytes, 0644);
  });
}

void AsideFolder::publish() {
  std::error_code error;
  fs::remove(target_, error);  // the empty folder that was there; a folder that has been filled meanwhile stays
  const bool published = writing([&] { return publish_folder(aside_, target_); });
  aside_.clear();
  if (!published) throw DataError(target_.string() + ": another program has put something there meanwhile; name another folder");
}

}  // namespace espalier::exchange
