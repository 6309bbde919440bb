#include <algorithm>
#include <chrono>
#include <functional>
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

// Protects against mistakes by hand only, so it is left out on a file system that keeps no modes (some FUSE, some NFS).
void make_read_only(const fs::path& file) {
  std::error_code error;
  fs::permissions(file, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read, error);
  const bool lacking = error == std::errc::operation_not_permitted || error == std::errc::function_not_supported ||
                       error == std::errc::operation_not_supported;
  if (error && !lacking) throw CacheError(file.string() + ": cannot be made read-only: " + error.message());
}

// Makes every file durable and read-only.
std::vector<Manifest::File> settle_files(const fs::path& folder) try {
  std::vector<Manifest::File> files;
  for (const auto& path : files_beneath(folder)) {
    const auto file = folder / path;
    make_read_only(file);
    sync_file(file);
    files.push_back({path, static_cast<std::int64_t>(fs::file_size(file)), digest_file(file)});
  }
  return files;
} catch (const fs::filesystem_error& error) {
  throw CacheError(folder.string() + ": cannot be prepared for publication: " + error.what());
}

void expect_digest(const fs::path& path, const Hex& found, const Manifest::File& file) {
  if (found != file.sha256) throw DataError(path.string() + ": its SHA-256 is " + found + ", not " + file.sha256);
}

// Throws DataError when a file is missing or differs from the manifest.
void check_file(const fs::path& folder, const Manifest::File& file) {
  const auto path = folder / file.path;
  check_size(path, file.bytes);
  Hex found;
  try {
    found = digest_file(path);
  } catch (const DataError& failure) {  // it is there and cannot be read: this is no damage
    throw CacheError(failure.what());
  }
  expect_digest(path, found, file);
}

// The same, and the very bytes that were compared.
std::string read_checked(const fs::path& folder, const Manifest::File& file) {
  const auto path = folder / file.path;
  check_size(path, file.bytes);
  auto found = read_if_present(path, static_cast<std::uint64_t>(file.bytes));
  if (!found) throw DataError(path.string() + ": is missing");
  expect_digest(path, sha256(found->sound()), file);
  return std::move(found->bytes);
}

// Moves a damaged result away, unless another process did or published it anew: then its manifest is another.
bool set_result_aside(const Paths& paths, const std::string& kind, const Hex& key, const std::optional<Found>& judged) {
  const FolderLock lock(paths.quarantine());
  const auto folder = paths.result(kind, key);
  if (read_if_present(folder / kManifestName) != judged) return false;
  return move_aside(folder, paths.quarantine() / (kind + "-" + key + "." + unique_name()));
}

// Shows a result to `check`, which throws DataError where it is damaged; then it is quarantined, and there is none.
std::optional<Store::Entry> judge(const Paths& paths, bool read_only, const std::string& kind, const Hex& key, std::vector<Damage>* damage,
                                  const std::function<void(const fs::path&, const Manifest&)>& check) {
  const auto folder = paths.result(kind, key);
  if (!is_present(folder)) return std::nullopt;
  const auto path = folder / kManifestName;
  const auto found = read_if_present(path);
  try {
    if (!found) throw DataError(path.string() + ": is missing");
    check(folder, read_manifest(found->sound(), kind, key, path.string()));
    return Store::Entry{folder, found->bytes};
  } catch (const DataError& failure) {
    if (!read_only && !set_result_aside(paths, kind, key, found)) return std::nullopt;
    if (damage) damage->push_back({folder, failure.what()});
    return std::nullopt;
  }
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

std::optional<Store::Entry> Store::verified_result(const std::string& kind, const Hex& key, std::vector<Damage>* damage) {
  return judge(impl_->paths, read_only_, kind, key, damage, [](const fs::path& folder, const Manifest& manifest) {
    for (const auto& file : manifest.files) check_file(folder, file);
  });
}

std::optional<std::string> Store::read_result(const std::string& kind, const Hex& key, const std::string& file,
                                              std::vector<Damage>* damage) {
  std::optional<std::string> bytes;
  const auto entry = judge(impl_->paths, read_only_, kind, key, damage, [&](const fs::path& folder, const Manifest& manifest) {
    const auto named = std::find_if(manifest.files.begin(), manifest.files.end(), [&](const auto& one) { return one.path == file; });
    if (named == manifest.files.end()) throw DataError((folder / kManifestName).string() + ": names no file '" + file + "'");
    bytes = read_checked(folder, *named);
  });
  return entry ? std::move(bytes) : std::nullopt;
}

void Store::quarantine_result(const std::string& kind, const Hex& key, const Entry& judged, const std::string& what,
                              std::vector<Damage>* damage) {
  impl_->require_writable("quarantine a result");
  if (set_result_aside(impl_->paths, kind, key, Found{judged.manifest, ""}) && damage) damage->push_back({judged.folder, what});
}

std::optional<ResultInfo> Store::result(const std::string& kind, const Hex& key) const {
  const auto folder = impl_->paths.result(kind, key);
  const auto path = folder / kManifestName;
  const auto found = read_if_present(path);
  if (!found) return std::nullopt;
  try {
    const auto manifest = read_manifest(found->sound(), kind, key, path.string());
    for (const auto& file : manifest.files) check_size(folder / file.path, file.bytes);
    const auto* seconds = manifest.info.is_map() ? manifest.info.find("seconds") : nullptr;
    return ResultInfo{manifest.digest(), manifest.request, manifest.info, seconds && seconds->is_number() ? seconds->as_number() : 0.0};
  } catch (const DataError&) {
    return std::nullopt;  // counts as absent: verified_result quarantines it, verify reports it
  }
}

}  // namespace espalier::cache
