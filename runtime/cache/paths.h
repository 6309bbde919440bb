#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/digest.h"

namespace espalier::cache {

inline constexpr std::string_view kCacheFormat = "espalier-cache 1";

// Where one kind of blocks of a set lies: its trajectories, or one reward's scores.
struct BlockFolder {
  std::filesystem::path folder;
  Hex set_id;
  Hex score_id;  // "" for trajectories
  std::filesystem::path data() const { return folder / "data"; }
  std::filesystem::path commit() const { return folder / "commit"; }
  std::filesystem::path quarantine() const { return folder / "quarantine"; }
  std::filesystem::path first(std::uint64_t number) const { return folder / "first" / ("b" + std::to_string(number) + ".json"); }
  std::filesystem::path request() const { return folder / "request.json"; }  // of scores
  std::filesystem::path probes() const { return folder / "probes"; }
};

// "b<number>.<layer>.json"
struct CommitName {
  std::uint64_t number = 0;
  std::string layer;
  std::string file_name() const;
  static std::optional<CommitName> parse(std::string_view file_name);
};

// "b<number>-<first 16 digits of its SHA-256>.h5"; copy k > 0 (".<k>" before ".h5") stands beside a damaged file of that name.
std::string data_name(std::uint64_t number, const Hex& sha256, int copy);
bool is_data_name(std::string_view name, std::uint64_t number, const Hex& sha256);

// The short digest of a list of steps, in descending order.
std::string layer_name(const std::vector<std::int64_t>& steps);

// The folders of a cache (FORMAT.md has the grammar). Every id is checked before it becomes part of a path: InternalError.
class Paths {
 public:
  explicit Paths(std::filesystem::path root) : root_(std::move(root)) {}
  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path format() const { return root_ / "FORMAT"; }
  std::filesystem::path trial() const;  // an absent name in the root, for what opening tries
  std::filesystem::path tmp() const { return root_ / "tmp"; }
  std::filesystem::path quarantine() const { return root_ / "quarantine"; }
  std::filesystem::path digests() const { return root_ / "digests.json"; }
  std::filesystem::path set(const Hex& set_id) const;
  std::filesystem::path recipe(const Hex& set_id) const { return set(set_id) / "recipe.json"; }
  BlockFolder trajectories(const Hex& set_id) const;
  BlockFolder scores(const Hex& set_id, const Hex& score_id) const;
  std::filesystem::path result(const std::string& kind, const Hex& key) const;
  std::filesystem::path checkpoint(const Hex& model_key) const;
  std::filesystem::path training_lock(const Hex& model_key) const;

  std::vector<Hex> all_sets() const;
  std::vector<Hex> all_scores(const Hex& set_id) const;
  std::vector<std::string> all_kinds() const;
  std::vector<Hex> all_results(const std::string& kind) const;
  std::vector<Hex> all_checkpoints() const;

 private:
  std::filesystem::path root_;
};

// Sorted names in a folder; none when it is absent. Throws CacheError when it cannot be listed.
std::vector<std::string> names_in(const std::filesystem::path& folder);

// Throws CacheError when the path cannot be examined.
bool is_present(const std::filesystem::path& path);

// Bytes of the largest record (a commit record, a manifest, a request, a recipe): their sizes are recorded nowhere.
inline constexpr std::uint64_t kMostRecordBytes = std::uint64_t{256} << 20;

// What stands under a name: a file's bytes or, where no such file belongs there (a pipe, a directory, more bytes than may be), the reason.
// Damage is moved only while what stands there equals what was judged.
struct Found {
  std::string bytes;
  std::string fault;                 // with the path; "": none
  const std::string& sound() const;  // the bytes; throws DataError with the fault: it is damage
  bool operator==(const Found&) const = default;
};

// nullopt when it is absent. Throws CacheError when it is there and cannot be read: that is no damage.
std::optional<Found> read_if_present(const std::filesystem::path& path, std::uint64_t limit = kMostRecordBytes);

// Throws DataError unless a regular file of so many bytes stands there.
void check_size(const std::filesystem::path& path, std::int64_t bytes);

}  // namespace espalier::cache
