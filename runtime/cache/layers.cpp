#include "runtime/cache/layers.h"

#include <algorithm>
#include <system_error>
#include <tuple>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

// Reads a record; nullopt when it vanished meanwhile. A damaged one goes to scan.bad.
std::optional<Layer> read_record(const BlockFolder& folder, const fs::path& path, LayerScan& scan) {
  const auto found = read_if_present(path);
  if (!found) return std::nullopt;
  const auto name = CommitName::parse(path.filename().string());
  try {
    if (!name) throw DataError(path.string() + ": is not the name of a commit record");
    return Layer{read_commit(found->sound(), folder, *name, path.string()), path, *found};
  } catch (const DataError& error) {
    scan.bad.push_back({path, *found, "", error.what()});
    return std::nullopt;
  }
}

}  // namespace

std::vector<fs::path> commit_paths(const BlockFolder& folder, std::uint64_t number) {
  std::vector<fs::path> paths;
  if (!folder.score_id.empty()) {
    auto path = folder.commit() / CommitName{number, kScoresLayer}.file_name();
    std::error_code error;
    const auto type = fs::symlink_status(path, error).type();  // a link to nothing is there, and damage
    if (type == fs::file_type::none) throw CacheError(path.string() + ": cannot be examined: " + error.message());
    if (type != fs::file_type::not_found) paths.push_back(std::move(path));
    return paths;
  }
  const auto prefix = "b" + std::to_string(number) + ".";
  for (const auto& name : names_in(folder.commit())) {
    if (name.starts_with(prefix)) paths.push_back(folder.commit() / name);
  }
  return paths;
}

std::map<std::uint64_t, std::vector<fs::path>> all_commit_paths(const BlockFolder& folder) {
  std::map<std::uint64_t, std::vector<fs::path>> paths;
  for (const auto& name : names_in(folder.commit())) {
    if (const auto parsed = CommitName::parse(name)) paths[parsed->number].push_back(folder.commit() / name);
  }
  return paths;
}

std::vector<fs::path> stray_paths(const BlockFolder& folder) {
  std::vector<fs::path> paths;
  for (const auto& name : names_in(folder.commit())) {
    if (!CommitName::parse(name)) paths.push_back(folder.commit() / name);
  }
  return paths;
}

LayerScan scan_layers(const BlockFolder& folder, const std::vector<fs::path>& commits) {
  LayerScan scan;
  for (const auto& path : commits) {
    if (auto layer = read_record(folder, path, scan)) scan.layers.push_back(std::move(*layer));
  }
  std::sort(scan.layers.begin(), scan.layers.end(), [](const Layer& a, const Layer& b) {
    return std::tie(a.record.committed_ns, a.record.name.layer) < std::tie(b.record.committed_ns, b.record.name.layer);
  });
  // Publishers cannot bring this about, but copied files can; a mixture of their steps would be no trajectory.
  std::erase_if(scan.layers, [&](const Layer& layer) {
    const auto& first = scan.layers.front();
    if (layer.record.sample_sha256 == first.record.sample_sha256) return false;
    scan.bad.push_back({layer.path, layer.found, "", layer.path.string() + ": its x_0 differs from that of " + first.path.string()});
    return true;
  });
  return scan;
}

std::string read_layer(const BlockFolder& folder, const Layer& layer) {
  const auto path = folder.data() / layer.record.data_name;
  const auto limit = static_cast<std::uint64_t>(layer.record.data_bytes);
  auto found = read_if_present(path, limit);
  if (!found) throw DataError(path.string() + ": is missing, though " + layer.path.string() + " names it");
  if (found->sound().size() != limit) {
    throw DataError(path.string() + ": has " + std::to_string(found->bytes.size()) + " bytes instead of " + std::to_string(limit));
  }
  const auto digest = sha256(found->bytes);
  if (digest != layer.record.data_sha256)
    throw DataError(path.string() + ": its SHA-256 is " + digest + ", not " + layer.record.data_sha256);
  return std::move(found->bytes);
}

std::optional<BadLayer> judge_layer(const BlockFolder& folder, const Layer& layer) {
  try {
    read_layer(folder, layer);
    return std::nullopt;
  } catch (const DataError& error) {
    return condemn(layer, error.what());
  }
}

BadLayer condemn(const Layer& layer, const std::string& what) { return {layer.path, layer.found, layer.record.data_name, what}; }

bool quarantined(const BlockFolder& folder, const BadLayer& bad) {
  const FolderLock lock(folder.quarantine());
  // Under the lock no other process moves this record, and none replaces one that is there: what is judged here is what is moved.
  if (read_if_present(bad.path) != bad.found) return false;
  const auto suffix = "." + unique_name();
  if (!move_aside(bad.path, folder.quarantine() / (bad.path.filename().string() + suffix))) return false;
  // A publisher that met the damaged file took another name, so this one is still the damaged file.
  if (!bad.data_name.empty()) move_aside(folder.data() / bad.data_name, folder.quarantine() / (bad.data_name + suffix));
  return true;
}

bool quarantined_first(const BlockFolder& folder, const fs::path& path, const Found& judged) {
  const FolderLock lock(folder.quarantine());
  if (read_if_present(path) != judged) return false;
  return move_aside(path, folder.quarantine() / ("first." + path.filename().string() + "." + unique_name()));
}

}  // namespace espalier::cache
