#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cache/commit_record.h"
#include "runtime/cache/paths.h"
#include "runtime/cache/workspace.h"

namespace espalier::cache {

// The layers of one block, by their commit records.
struct Layer {
  CommitRecord record;
  std::filesystem::path path;  // of the commit record
  Found found;                 // the commit record
};

// A commit record that must not be used. `found` is what was judged: what stands under that name later may be another, good one.
struct BadLayer {
  std::filesystem::path path;
  Found found;
  std::string data_name;  // of a damaged data file that is this record's own; "" otherwise
  std::string what;       // with the path that is to blame
};

struct LayerScan {
  std::vector<Layer> layers;  // oldest first; all have the same indices, conditions and x_0
  std::vector<BadLayer> bad;
};

inline constexpr const char* kScoresLayer = "scores";  // the one layer of a block of scores

// Paths of a block's commit records; of every block's; and of files there whose names are no commit record's. A block's records of
// trajectories are found in a listing of the folder, which has those of all blocks; the record of its scores by its name.
std::vector<std::filesystem::path> commit_paths(const BlockFolder& folder, std::uint64_t number);
std::map<std::uint64_t, std::vector<std::filesystem::path>> all_commit_paths(const BlockFolder& folder);
std::vector<std::filesystem::path> stray_paths(const BlockFolder& folder);

LayerScan scan_layers(const BlockFolder& folder, const std::vector<std::filesystem::path>& commits);

// The data file's bytes, its length and SHA-256 compared with the commit record. Throws DataError when they differ or it is missing.
std::string read_layer(const BlockFolder& folder, const Layer& layer);

// What is wrong with a layer: its file missing, another length or another digest; nullopt when nothing is.
std::optional<BadLayer> judge_layer(const BlockFolder& folder, const Layer& layer);
BadLayer condemn(const Layer& layer, const std::string& what);

// Moves a bad layer to quarantine/, the commit record first. False when it is gone or was replaced meanwhile.
bool quarantined(const BlockFolder& folder, const BadLayer& bad);

// The same of a block's first record.
bool quarantined_first(const BlockFolder& folder, const std::filesystem::path& path, const Found& judged);

// Returns what is wrong with a file in first/ and quarantines it; the record is made anew from the block's layers. nullopt: nothing is.
std::optional<std::string> mend_first(const BlockFolder& folder, const std::string& name, Workspace& workspace);

// Publishes a layer (record.data_name and committed_ns are set here). False when a sound one of the same name was there already; a damaged
// one is quarantined and reported. Throws CacheError when another layer's x_0 differs. `bytes` are the data file's.
bool publish_layer(const BlockFolder& folder, CommitRecord record, const std::string& bytes, Workspace& workspace);

}  // namespace espalier::cache
