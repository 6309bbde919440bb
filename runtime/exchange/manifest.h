#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/value.h"

namespace espalier::exchange {

// One sample of an export, and what other programs call it.
struct ExportedSample {
  std::int64_t index = 0;  // the number of its trajectory
  std::string file;        // relative to the export's folder: its image, or the file that holds its record
  std::string text;        // its prompt
  std::string group = {};  // t2i_compbench: its category
  std::int64_t id = 0;     // t2i_compbench: the number in its file's name, unique in the category
};

// What an export holds, written into it as espalier_export.json, so that results of other programs can be checked against it:
//
//   {"format": "espalier export 1", "kind": "geneval", "pipeline": "...", "stage": "...", "scored_set": SET, "samples": [SAMPLE, ...]}
//   SET     {"set": the set's id, "decoder": digest of what decodes it, "count": trajectories of the view, excluded ones among them}
//   SAMPLE  {"index": 3, "file": "...", "text": "..."}, and of t2i_compbench "group" and "id"
struct Manifest {
  std::string kind;  // the name of the export's format
  std::string pipeline, stage;
  Value scored_set;
  std::vector<ExportedSample> samples;  // by index, ascending
  std::filesystem::path folder = {};    // that it was read from

  std::int64_t count() const { return scored_set.at("count").as_integer(); }
  Hex id() const { return digest(scored_set); }  // equal for exports of the same images
  std::string to_text() const;
};

inline constexpr const char* kManifestFile = "espalier_export.json";
inline constexpr const char* kExportId = "espalier_export";  // where files that a program carries into its results state id()

// Throws ConfigError where there is no manifest, DataError where it is none.
Manifest read_manifest(const std::filesystem::path& folder);

}  // namespace espalier::exchange
