#include <algorithm>
#include <system_error>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/block_file.h"
#include "runtime/cache/manifest.h"
#include "runtime/cache/sealed.h"
#include "runtime/cache/store_impl.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

// Walks a cache and only reads. What lies in tmp/, in quarantine/, or in data/ without a commit record is not part of it.
class Verifier {
 public:
  Verifier(const Paths& paths, VerifyLevel level) : paths_(paths), level_(level) {}

  std::vector<Damage> run() {
    for (const auto& set_id : paths_.all_sets()) {
      check_recipe(set_id);
      check_blocks(paths_.trajectories(set_id));
      check_first(paths_.trajectories(set_id));
      for (const auto& score_id : paths_.all_scores(set_id)) {
        check_request(paths_.scores(set_id, score_id));
        check_blocks(paths_.scores(set_id, score_id));
      }
    }
    for (const auto& kind : paths_.all_kinds()) {
      for (const auto& key : paths_.all_results(kind)) check_result(kind, key);
    }
    return std::move(damage_);
  }

 private:
  void report(const fs::path& path, const std::string& what) { damage_.push_back({path, what}); }

  void check_recipe(const Hex& set_id) {
    const auto path = paths_.recipe(set_id);
    try {
      const auto present = read_if_present(path);
      if (!present) {
        // A run that was killed while it made the set leaves folders; blocks without a recipe are damage.
        if (!names_in(paths_.trajectories(set_id).commit()).empty()) report(path, path.string() + ": is missing");
        return;
      }
      const auto found = digest(parse_json(present->sound(), path.string()));
      if (found != set_id) report(path, path.string() + ": its digest is " + found + ", not that of its folder");
    } catch (const Error& error) {
      report(path, error.what());
    }
  }

  void check_request(const BlockFolder& folder) {
    const auto path = folder.request();
    try {
      const auto found = read_if_present(path);
      if (!found) return;
      const auto score = unseal(found->sound(), path.string()).at("score").as_string();
      if (score != folder.score_id) throw DataError(path.string() + ": is of the scores " + score);
    } catch (const Error& error) {
      report(path, error.what());
    }
  }

  void check_first(const BlockFolder& folder) {
    for (const auto& name : names_in(folder.folder / "first")) {
      const auto path = folder.folder / "first" / name;
      try {
        const auto number = first_number(folder, name);
        if (const auto found = read_if_present(path)) read_first(found->sound(), folder, number, path.string());
      } catch (const Error& error) {
        report(path, error.what());
      }
    }
  }

  void check_blocks(const BlockFolder& folder) {
    for (const auto& stray : stray_paths(folder)) check_commits(folder, {stray});
    for (const auto& [block, commits] : all_commit_paths(folder)) check_commits(folder, commits);
  }

  void check_commits(const BlockFolder& folder, const std::vector<fs::path>& commits) {
    try {
      const auto scan = scan_layers(folder, commits);
      for (const auto& bad : scan.bad) report(bad.path, bad.what);
      for (const auto& layer : scan.layers) check_layer(folder, layer);
    } catch (const Error& error) {
      report(commits.front(), error.what());
    }
  }

  void check_layer(const BlockFolder& folder, const Layer& layer) {
    const auto path = folder.data() / layer.record.data_name;
    try {
      if (level_ == VerifyLevel::quick) {
        check_size(path, layer.record.data_bytes);
        return;
      }
      const auto bytes = read_layer(folder, layer);
      if (level_ == VerifyLevel::deep) check_content(folder, layer, bytes, path.string());
    } catch (const Error& error) {
      if (read_if_present(layer.path) != layer.found) return;  // moved to quarantine by a run meanwhile
      report(path, error.what());
    }
  }

  static void check_content(const BlockFolder& folder, const Layer& layer, const std::string& bytes, const std::string& origin) {
    const auto& record = layer.record;
    if (!folder.score_id.empty()) {
      const auto score = decode_scores(bytes, folder, record.name.number, origin);
      if (static_cast<std::int64_t>(score.size()) != record.count) throw DataError(origin + ": has another number of scores");
      return;
    }
    const auto block = decode_block(bytes, folder.set_id, record.name.number, std::nullopt, origin);
    try {
      check_block(block);
    } catch (const InternalError& error) {
      throw DataError(origin + ": " + error.what());
    }
    std::vector<std::int64_t> steps;
    for (const auto& recorded : block.steps) steps.push_back(recorded.step);
    if (steps != record.steps || static_cast<std::int64_t>(block.index.size()) != record.count) {
      throw DataError(origin + ": does not hold the steps and samples that its commit record names");
    }
    if (sample_digest(block) != record.sample_sha256) throw DataError(origin + ": its x_0 is not the one that its commit record names");
  }

  void check_result(const std::string& kind, const Hex& key) {
    const auto folder = paths_.result(kind, key);
    const auto path = folder / kManifestName;
    try {
      const auto found = read_if_present(path);
      if (!found) throw DataError(path.string() + ": is missing");
      for (const auto& file : read_manifest(found->sound(), kind, key, path.string()).files) check_result_file(folder / file.path, file);
    } catch (const Error& error) {
      report(path, error.what());
    }
  }

  void check_result_file(const fs::path& path, const Manifest::File& file) {
    try {
      check_size(path, file.bytes);
      if (level_ == VerifyLevel::quick) return;
      const auto found = digest_file(path);
      if (found != file.sha256) throw DataError(path.string() + ": its SHA-256 is " + found + ", not " + file.sha256);
    } catch (const Error& error) {
      report(path, error.what());
    }
  }

  const Paths& paths_;
  VerifyLevel level_;
  std::vector<Damage> damage_;
};

std::int64_t bytes_beneath(const fs::path& folder) {
  std::int64_t bytes = 0;
  std::error_code error;  // another process may be moving files
  for (fs::recursive_directory_iterator entry(folder, error); !error && entry != fs::recursive_directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_regular_file(ignored)) continue;
    const auto size = entry->file_size(ignored);
    if (!ignored) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

// Bytes and entries of a folder of leftovers, by its name.
void add_folder(std::vector<Store::Usage>& usage, const std::string& kind, const std::string& id, const fs::path& folder) {
  auto names = names_in(folder);
  std::erase_if(names, [](const std::string& name) { return name.starts_with("lock"); });  // and who holds it
  if (!names.empty()) usage.push_back({kind, id, static_cast<std::int64_t>(names.size()), bytes_beneath(folder)});
}

}  // namespace

std::vector<Damage> Store::verify(VerifyLevel level) const { return Verifier(impl_->paths, level).run(); }

std::vector<Store::Usage> Store::usage() const {
  std::vector<Usage> usage;
  const auto& paths = impl_->paths;
  const auto add_blocks = [&](const std::string& kind, const Hex& id, const BlockFolder& folder) {
    const auto entries = static_cast<std::int64_t>(names_in(folder.commit()).size());
    std::int64_t bytes = 0;
    for (const auto& part : {folder.data(), folder.commit(), folder.folder / "first", folder.probes()}) bytes += bytes_beneath(part);
    usage.push_back({kind, id, entries, bytes});
    add_folder(usage, "quarantine", id, folder.quarantine());
  };
  for (const auto& set_id : paths.all_sets()) {
    add_blocks("trajectories", set_id, paths.trajectories(set_id));
    for (const auto& score_id : paths.all_scores(set_id)) add_blocks("scores", score_id, paths.scores(set_id, score_id));
  }
  for (const auto& kind : paths.all_kinds()) {
    for (const auto& key : paths.all_results(kind)) usage.push_back({kind, key, 1, bytes_beneath(paths.result(kind, key))});
  }
  for (const auto& key : paths.all_checkpoints()) add_folder(usage, "checkpoints", key, paths.checkpoint(key));
  add_folder(usage, "tmp", "", paths.tmp());
  add_folder(usage, "quarantine", "", paths.quarantine());
  return usage;
}

}  // namespace espalier::cache
