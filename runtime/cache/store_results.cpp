#include <chrono>
#include <system_error>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/manifest.h"
#include "runtime/cache/store_impl.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Makes every file durable and read-only.
std::vector<Manifest::File> settle_files(const fs::path& folder) try {
  std::vector<Manifest::File> files;
  for (const auto& path : files_beneath(folder)) {
    const auto file = folder / path;
    fs::permissions(file, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
    sync_file(file);
    files.push_back({path, static_cast<std::int64_t>(fs::file_size(file)), digest_file(file)});
  }
  return files;
} catch (const fs::filesystem_error& error) {
  throw CacheError(folder.string() + ": cannot be prepared for publication: " + error.what());
}

// Throws DataError when a file is missing or is not what the manifest says.
void check_file(const fs::path& folder, const Manifest::File& file, DigestMemo& memo) {
  const auto path = folder / file.path;
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) throw DataError(path.string() + ": is missing");
  if (error) throw CacheError(path.string() + ": cannot be examined: " + error.message());
  if (static_cast<std::int64_t>(size) != file.bytes) {
    throw DataError(path.string() + ": has " + std::to_string(size) + " bytes instead of " + std::to_string(file.bytes));
  }
  Hex found;
  try {
    found = memo.digest(path);
  } catch (const DataError& failure) {  // it is there and cannot be read: no damage, but no use either
    throw CacheError(failure.what());
  }
  if (found != file.sha256) throw DataError(path.string() + ": its SHA-256 is " + found + ", not " + file.sha256);
}

// Moves a damaged result away, unless another process did or published it anew: then its manifest is another.
bool set_result_aside(const Paths& paths, const std::string& kind, const Hex& key, const std::optional<std::string>& judged) {
  const FolderLock lock(paths.quarantine());
  const auto folder = paths.result(kind, key);
  if (read_if_present(folder / kManifestName) != judged) return false;
  return move_aside(folder, paths.quarantine() / (kind + "-" + key + "." + unique_name()));
}

}  // namespace

bool Store::publish_result(const std::string& kind, const Hex& key, const Value& request, const Value& info, const fs::path& folder) {
  impl_->require_writable("publish a result");
  const auto target = impl_->paths.result(kind, key);
  Manifest manifest{kind, key, request, info, settle_files(folder), now_ns()};
  write_durable(folder / kManifestName, write_manifest(manifest));
  make_folders(target.parent_path());
  verified_result(kind, key);  // a damaged one does not stand in the way
  if (publish_folder(folder, target)) return true;
  sync_folder(target.parent_path());
  return false;
}

std::optional<fs::path> Store::verified_result(const std::string& kind, const Hex& key, std::vector<Damage>* damage) {
  auto folder = impl_->paths.result(kind, key);
  if (!is_present(folder)) return std::nullopt;
  const auto text = read_if_present(folder / kManifestName);
  try {
    if (!text) throw DataError((folder / kManifestName).string() + ": is missing");
    const auto manifest = read_manifest(*text, kind, key, (folder / kManifestName).string());
    for (const auto& file : manifest.files) check_file(folder, file, impl_->memo);
    return folder;
  } catch (const DataError& failure) {
    if (!read_only_ && !set_result_aside(impl_->paths, kind, key, text)) return std::nullopt;
    if (damage) damage->push_back({folder, failure.what()});
    return std::nullopt;
  }
}

std::optional<ResultInfo> Store::result(const std::string& kind, const Hex& key) const {
  const auto path = impl_->paths.result(kind, key) / kManifestName;
  const auto text = read_if_present(path);
  if (!text) return std::nullopt;
  try {
    const auto manifest = read_manifest(*text, kind, key, path.string());
    const auto* seconds = manifest.info.is_map() ? manifest.info.find("seconds") : nullptr;
    return ResultInfo{manifest.digest(), manifest.request, manifest.info, seconds && seconds->is_number() ? seconds->as_number() : 0.0};
  } catch (const DataError&) {
    return std::nullopt;  // as good as absent: verified_result sets it aside, verify reports it
  }
}

}  // namespace espalier::cache
