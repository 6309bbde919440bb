#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/cache/index.h"
#include "runtime/tensor/state.h"

namespace espalier::cache {

class FolderLock;

// One block of trajectories: `block_size` consecutive indices at some recorded steps.
struct Block {
  std::uint64_t number = 0;
  std::vector<std::uint64_t> index;      // [S]
  std::vector<std::uint64_t> condition;  // [S]
  struct Recorded {
    std::int64_t step = 0;  // steps remaining
    double timestep = 0.0;
    double alpha = 1.0;
    double sigma = 0.0;
    State state;  // [S, ...], CPU
  };
  std::vector<Recorded> steps;  // descending
};

// Provenance of a publication; never part of a key.
struct Provenance {
  Maker maker;
  double seconds = 0.0;
  std::int64_t network_evaluations = 0;
};

struct Damage {
  std::filesystem::path path;
  std::string what;
};

enum class VerifyLevel { quick, hash, deep };  // commit records and sizes; + whole-file digests; + every dataset read and shapes checked

// The cache folder (docs: runtime/cache/FORMAT.md). Any number of processes and threads may use one at a time. Every publication is atomic,
// put-if-absent and durable when the call returns.
class Store final : public Index {
 public:
  // Makes the folder when absent. Throws CacheError on an unknown format, and on a file system where nothing can be published. read_only
  // never writes and needs the folder to exist.
  static std::unique_ptr<Store> open(const std::filesystem::path& root, bool read_only = false);
  ~Store() override;

  // -- sets --
  Hex ensure_set(const Value& recipe);                   // writes recipe.json once; its digest is the set id
  std::optional<Value> recipe(const Hex& set_id) const;  // re-encoded and compared; CacheError when it does not match
  // Publishes a layer; every layer holds x_0 (step 0), the last of its steps. If the block has layers already, their indices, conditions
  // and x_0 must be equal, bit for bit, else CacheError. False when the same layer was there already (another process won). InternalError
  // for a set without a recipe or a block that is none.
  bool publish_block(const Hex& set_id, const Block& block, const Provenance& provenance);
  // Reads and verifies the wanted steps. Damaged layers are moved to quarantine/ (so that the block is computed again) and reported in
  // `damage`; nullopt when the steps are then not all there.
  std::optional<Block> read_block(const Hex& set_id, std::uint64_t number, const std::set<std::int64_t>& steps,
                                  std::vector<Damage>* damage = nullptr);

  // -- scores --
  bool publish_scores(const Hex& set_id, const Hex& score_id, const Value& request, std::uint64_t block, const std::vector<double>& score,
                      const Provenance& provenance);
  std::optional<std::vector<double>> read_scores(const Hex& set_id, const Hex& score_id, std::uint64_t block,
                                                 std::vector<Damage>* damage = nullptr);

  // -- probes --
  // Durable when it returns; the same pair of makers is recorded once.
  void record_probe(const Hex& set_id, const Hex& score_id, const Probe& probe);

  // -- results: selections, models, findings --
  // A fresh, private folder to write in; publish_result makes its files durable, adds manifest.json (request, info, each file's size and
  // SHA-256) and publishes it whole. False when another process published first.
  std::filesystem::path new_folder();
  bool publish_result(const std::string& kind, const Hex& key, const Value& request, const Value& info,
                      const std::filesystem::path& folder);
  struct Entry {
    std::filesystem::path folder;
    std::string manifest;  // as it was judged
  };
  // A published result, every file's size and SHA-256 just compared with the manifest; damaged: quarantined, nullopt.
  std::optional<Entry> verified_result(const std::string& kind, const Hex& key, std::vector<Damage>* damage = nullptr);
  // One file of a result: the very bytes that were compared.
  std::optional<std::string> read_result(const std::string& kind, const Hex& key, const std::string& file,
                                         std::vector<Damage>* damage = nullptr);
  // For a result that reads as something else than was published; not if it was replaced after it was judged.
  void quarantine_result(const std::string& kind, const Hex& key, const Entry& judged, const std::string& what,
                         std::vector<Damage>* damage);

  // -- what a run that reuses entries mends, so that a quick verify() finds nothing more --
  // Recipe and request are made anew. Of all blocks, also beyond a view: a damaged record, one without its data file, and what is no record
  // are quarantined and reported, so that the block is computed again; a first record is made anew.
  void mend_set(const Value& recipe, std::vector<Damage>* damage);
  void mend_scores(const Hex& set_id, const Hex& score_id, const Value& request, std::vector<Damage>* damage);

  // -- checkpoints of a model being trained; removed by the caller once the model is published --
  // Checkpoints are one process's at a time: the lock, or null while another process (`holder`, "" where that is not known) trains this
  // very model.
  std::unique_ptr<FolderLock> lock_training(const Hex& model_key, std::string& holder);
  std::filesystem::path checkpoint_folder(const Hex& model_key);
  void remove_checkpoints(const Hex& model_key);

  // -- Index --
  std::map<std::uint64_t, BlockStatus> blocks(const Hex& set_id) const override;
  std::map<std::uint64_t, CommitInfo> score_blocks(const Hex& set_id, const Hex& score_id) const override;
  std::vector<Probe> probes(const Hex& set_id, const Hex& score_id) const override;
  std::optional<ResultInfo> result(const std::string& kind, const Hex& key) const override;
  std::vector<Value> requests(const std::string& kind) const override;

  // -- the cache commands --
  std::vector<Damage> verify(VerifyLevel level) const;  // moves nothing; passes over what a killed run left in tmp/
  struct Usage {
    std::string kind;  // "trajectories", "scores", "selection", "model", "findings", "checkpoints", "tmp", "quarantine"
    std::string id;
    std::int64_t entries = 0;
    std::int64_t bytes = 0;
  };
  std::vector<Usage> usage() const;
  const std::filesystem::path& root() const { return root_; }

 private:
  Store(std::filesystem::path root, bool read_only);
  std::filesystem::path root_;
  bool read_only_ = false;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::cache
