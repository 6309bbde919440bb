#include "runtime/exchange/manifest.h"

#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::exchange {
namespace {

constexpr const char* kFormat = "espalier export 1";

Value to_value(const ExportedSample& sample) {
  Value value = Value::Map{{"index", sample.index}, {"file", sample.file}, {"text", sample.text}};
  if (sample.group.empty() && sample.id == 0) return value;
  value["group"] = sample.group;
  value["id"] = sample.id;
  return value;
}

ExportedSample sample_from(const Value& value) {
  ExportedSample sample{value.at("index").as_integer(), value.at("file").as_string(), value.at("text").as_string()};
  if (const auto* group = value.find("group")) sample.group = group->as_string();
  if (const auto* id = value.find("id")) sample.id = id->as_integer();
  return sample;
}

Manifest manifest_from(const Value& value) {
  if (!value.is_map() || !value.contains("format") || value.at("format") != Value(kFormat)) {
    throw DataError(fmt::format("its format is not \"{}\"", kFormat));
  }
  Manifest manifest{
      value.at("kind").as_string(), value.at("pipeline").as_string(), value.at("stage").as_string(), value.at("scored_set"), {}};
  for (const auto& sample : value.at("samples").as_list()) manifest.samples.push_back(sample_from(sample));
  std::int64_t last = -1;
  for (const auto& sample : manifest.samples) {
    if (sample.index <= last || sample.index >= manifest.count()) throw DataError("its indices do not ascend below the count");
    last = sample.index;
  }
  return manifest;
}

}  // namespace

std::string Manifest::to_text() const {
  Value::List list;
  for (const auto& sample : samples) list.push_back(to_value(sample));
  return to_json(Value::Map{{"format", kFormat},
                            {"kind", kind},
                            {"pipeline", pipeline},
                            {"stage", stage},
                            {"scored_set", scored_set},
                            {"samples", std::move(list)}}) +
         "\n";
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const auto path = folder / kManifestFile;
  if (!std::filesystem::exists(path)) {
    throw ConfigError(
        fmt::format("{}: is no export: it has no {}; name the folder that 'espalier export' made", folder.string(), kManifestFile));
  }
  const auto value = parse_json(read_file(path), path.string());
  try {
    auto manifest = manifest_from(value);
    manifest.folder = folder;
    return manifest;
  } catch (const DataError& error) {
    throw DataError(path.string() + ": " + error.what());
  }
}

}  // namespace espalier::exchange
