#include "runtime/cache/manifest.h"

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/cache/sealed.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "espalier-result 1";

bool stays_beneath(const fs::path& path) {
  return !path.empty() && path.is_relative() && std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

Value files_value(const std::vector<Manifest::File>& files) {
  Value::List list;
  for (const auto& file : files) list.push_back(Value::Map{{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  return list;
}

}  // namespace

Hex Manifest::digest() const { return espalier::digest(files_value(files)); }

std::string write_manifest(const Manifest& manifest) {
  return seal(Value::Map{{"format", kFormat},
                         {"kind", manifest.kind},
                         {"key", manifest.key},
                         {"request", manifest.request},
                         {"info", manifest.info},
                         {"files", files_value(manifest.files)},
                         {"published_ns", manifest.published_ns}});
}

Manifest read_manifest(std::string_view text, const std::string& kind, const Hex& key, const std::string& origin) {
  const auto value = unseal(text, origin);
  if (value.at("format").as_string() != kFormat) throw DataError(origin + ": its format is not '" + kFormat + "'");
  Manifest manifest;
  manifest.kind = value.at("kind").as_string();
  manifest.key = value.at("key").as_string();
  if (manifest.kind != kind || manifest.key != key) throw DataError(origin + ": is of the " + manifest.kind + " " + manifest.key);
  manifest.request = value.at("request");
  manifest.info = value.at("info");
  manifest.published_ns = value.at("published_ns").as_integer();
  for (const auto& file : value.at("files").as_list()) {
    manifest.files.push_back({file.at("path").as_string(), file.at("bytes").as_integer(), file.at("sha256").as_string()});
    if (!stays_beneath(manifest.files.back().path)) throw DataError(origin + ": names a file outside its folder");
  }
  return manifest;
}

std::vector<std::string> files_beneath(const fs::path& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const auto path = entry.path().lexically_relative(folder).generic_string();
    if (entry.is_symlink() || (!entry.is_regular_file() && !entry.is_directory())) {
      throw StageError(entry.path().string() + ": a result may hold regular files and folders only");
    }
    if (path == kManifestName) throw StageError(entry.path().string() + ": this name is the cache's own");
    if (entry.is_regular_file()) files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace espalier::cache
