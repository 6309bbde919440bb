#include "plugins/shared/folder/data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/progress.h"

namespace espalier::folder {

namespace fs = std::filesystem;

void print_note(const std::string& plugin, const std::string& note) { make_progress()->say(plugin + ": " + note); }

fs::path find_data(const std::string& data, const std::string& plugin, DataKind kind, const std::string& subject) {
  const char* base = std::getenv("ESPALIER_DATA");
  std::vector<fs::path> tried = {data};
  if (fs::path(data).is_relative()) {
    if (base) tried.emplace_back(fs::path(base) / data);
    tried.emplace_back(fs::path("datasets") / data);
  }
  std::string places;
  for (const fs::path& path : tried) {
    if (kind != DataKind::file && fs::is_directory(path)) return path;
    if (kind != DataKind::folder && fs::is_regular_file(path)) return path;
    places += (places.empty() ? "" : ", ") + path.string();
  }
  const std::string noun = kind == DataKind::folder ? "folder" : kind == DataKind::file ? "file" : "file or folder";
  throw DataError(plugin + ": " + (subject.empty() ? "data = \"" + data + "\"" : subject) + " is no " + noun + " (tried " + places +
                  "); name a " + noun + ", or set ESPALIER_DATA to the folder that holds the data sets");
}

std::vector<std::int64_t> places_of(const std::string& split, const std::vector<std::string>& names, const HeldOut& held_out,
                                    const std::string& plugin) {
  if (names.empty()) throw DataError(plugin + ": the data holds no examples");
  const auto count = static_cast<std::size_t>(std::ceil(held_out.fraction * static_cast<double>(names.size())));
  if (count == names.size()) {
    throw ConfigError(fmt::format("{}: held_out_fraction {} holds out all {} examples; none is left to train on", plugin, held_out.fraction,
                                  names.size()));
  }
  std::vector<std::pair<Hex, std::int64_t>> keyed;
  for (std::size_t i = 0; i < names.size(); ++i) {
    keyed.emplace_back(sha256(fmt::format("{}/{}", held_out.seed, names[i])), static_cast<std::int64_t>(i));
  }
  std::sort(keyed.rbegin(), keyed.rend());
  const std::size_t first = split == "held_out" ? 0 : count, end = split == "held_out" ? count : names.size();
  std::vector<std::int64_t> places;
  for (std::size_t k = first; k < end; ++k) places.push_back(keyed[k].second);
  std::sort(places.begin(), places.end());
  return places;
}

std::map<std::string, std::vector<std::int64_t>> split_places(const std::vector<std::string>& names, const HeldOut& held_out,
                                                              const std::string& plugin) {
  std::map<std::string, std::vector<std::int64_t>> places;
  for (const std::string split : {"train", "held_out"}) {
    if (split == "train" || held_out.fraction > 0.0) places[split] = places_of(split, names, held_out, plugin);
  }
  return places;
}

}  // namespace espalier::folder
