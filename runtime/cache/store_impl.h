#pragma once

#include <string>

#include "runtime/cache/layers.h"
#include "runtime/cache/paths.h"
#include "runtime/cache/store.h"
#include "runtime/cache/workspace.h"

namespace espalier::cache {

struct Store::Impl {
  Impl(const std::filesystem::path& root, bool read_only_store) : paths(root), read_only(read_only_store), workspace(paths.tmp()) {}
  Paths paths;
  bool read_only;
  Workspace workspace;

  void require_writable(const std::string& what) const;  // CacheError

  // Layers of a block that may be used; bad ones are dropped.
  std::vector<Layer> usable_layers(const BlockFolder& folder, std::uint64_t number, std::set<std::filesystem::path>& passed_over,
                                   std::vector<Damage>* damage);
  // Reports a layer and moves it to quarantine; in a cache opened for reading it is passed over from now on instead.
  void drop_layer(const BlockFolder& folder, const BadLayer& bad, std::set<std::filesystem::path>& passed_over,
                  std::vector<Damage>* damage);

  // What a quick verify() finds wrong with the layers of one block (or a name that is no block's), or of all blocks, is dropped.
  void mend_layers(const BlockFolder& folder, const std::vector<std::filesystem::path>& commits, std::vector<Damage>* damage);
  void mend_blocks(const BlockFolder& folder, std::vector<Damage>* damage);
};

// Writes request.json of scores where it is absent, damaged or another's; false where it was sound.
bool keep_request(Workspace& workspace, const BlockFolder& folder, const Value& request);

// A block's layers as CommitInfo: those whose data file is there with its length.
std::optional<BlockStatus> block_status(const BlockFolder& folder, const std::vector<std::filesystem::path>& commits);

}  // namespace espalier::cache
