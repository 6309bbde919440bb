#include "runtime/modelfile/component_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/safetensors.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestIndex = 100 << 20;

fs::path file_of(const fs::path& folder, const std::string& stem, const std::string& variant) {
  return folder / (stem + (variant.empty() ? "" : "." + variant) + ".safetensors");
}
fs::path index_of(const fs::path& folder, const std::string& stem, const std::string& variant) {
  return folder / (stem + ".safetensors.index" + (variant.empty() ? "" : "." + variant) + ".json");
}

bool is_file_name(const std::string& name) { return !name.empty() && name.front() != '.' && fs::path(name).filename() == name; }

std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const auto value = parse_json(read_file(index, kLargestIndex), index.string());
  const auto* map = value.is_map() ? value.find("weight_map") : nullptr;
  if (map == nullptr || !map->is_map() || map->as_map().empty()) {
    throw DataError(index.string() + ": is no index of shards: its \"weight_map\" gives the file of each tensor");
  }
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : map->as_map()) {
    if (!file.is_string() || !is_file_name(file.as_string())) {
      throw DataError(fmt::format("{}: the tensor '{}' lies in {}; the name of a file beside the index is right", index.string(), tensor,
                                  to_json(file)));
    }
    files.emplace(tensor, file.as_string());
  }
  return files;
}

void require_shards(const ComponentWeights& weights) {
  std::vector<std::string> missing;
  for (const auto& file : weights.files) {
    if (fs::is_regular_file(file)) continue;
    const auto name = file.filename().string();
    missing.push_back(fs::is_symlink(file) ? fmt::format("{} (a link to '{}', which is no file)", name, fs::read_symlink(file).string())
                                           : name);
  }
  if (missing.empty()) return;
  throw DataError(fmt::format("{}: {} of {} shards {} missing: {}; fetch {}", weights.index.string(), missing.size(), weights.files.size(),
                              missing.size() == 1 ? "is" : "are", fmt::join(missing, ", "), missing.size() == 1 ? "it" : "them"));
}

// Returns "fp16" for "model.fp16.safetensors" and "model.safetensors.index.fp16.json", "" for other names.
std::string variant_in(std::string_view name, const std::string& stem) {
  const std::pair<std::string, std::string_view> forms[] = {{stem + ".safetensors.index.", ".json"}, {stem + ".", ".safetensors"}};
  for (const auto& [begin, end] : forms) {
    if (!name.starts_with(begin) || !name.ends_with(end) || name.size() <= begin.size() + end.size()) continue;
    const auto between = name.substr(begin.size(), name.size() - begin.size() - end.size());
    return between.find_first_of(".-") == std::string_view::npos ? std::string(between) : "";  // "fp16-00001-of-00002" is a shard
  }
  return "";
}

}  // namespace

ComponentWeights find_weights(const fs::path& folder, const std::string& stem, const std::string& variant) {
  const auto file = file_of(folder, stem, variant), index = index_of(folder, stem, variant);
  const bool whole = fs::is_regular_file(file), shards = fs::is_regular_file(index);
  if (whole && shards) {
    throw DataError(fmt::format("{}: both {} and the index of shards {} lie there; keep those that are meant", folder.string(),
                                file.filename().string(), index.filename().string()));
  }
  ComponentWeights found;
  if (whole) found.files = {file};
  if (!shards) return found;
  found.index = index;
  found.weight_map = read_weight_map(index);
  std::set<std::string> names;
  for (const auto& [tensor, name] : found.weight_map) names.insert(name);
  for (const auto& name : names) found.files.push_back(folder / name);
  require_shards(found);
  return found;
}

std::vector<std::string> variants_of(const fs::path& folder, const std::string& stem) {
  std::set<std::string> variants;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (auto variant = variant_in(entry.path().filename().string(), stem); !variant.empty()) variants.insert(std::move(variant));
  }
  return {variants.begin(), variants.end()};
}

TensorMap map_weights(const ComponentWeights& weights, std::vector<std::shared_ptr<const MappedFile>>& mapped) {
  TensorMap all;
  for (const auto& path : weights.files) {
    mapped.push_back(MappedFile::open(path));
    for (auto& [name, tensor] : map_safetensors(mapped.back())) {
      const auto place = weights.weight_map.find(name);
      if (!weights.index.empty() && (place == weights.weight_map.end() || place->second != path.filename())) {
        throw DataError(fmt::format("{}: holds the tensor '{}', which the index {} places {}", path.string(), name,
                                    weights.index.filename().string(),
                                    place == weights.weight_map.end() ? "nowhere" : "in " + place->second));
      }
      all.emplace(name, std::move(tensor));
    }
  }
  for (const auto& [name, file] : weights.weight_map) {
    if (!all.contains(name)) {
      throw DataError(fmt::format("{}: the tensor '{}' is missing, which the index {} places there",
                                  (weights.index.parent_path() / file).string(), name, weights.index.filename().string()));
    }
  }
  return all;
}

}  // namespace espalier::modelfile
