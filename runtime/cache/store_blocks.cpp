#include <algorithm>
#include <system_error>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/block_file.h"
#include "runtime/cache/sealed.h"
#include "runtime/cache/store_impl.h"
#include "runtime/sdk/check.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

CommitRecord record_of(const BlockFolder& folder, CommitName name, std::int64_t count, const std::string& bytes,
                       const Provenance& provenance) {
  CommitRecord record;
  record.set_id = folder.set_id;
  record.score_id = folder.score_id;
  record.name = std::move(name);
  record.count = count;
  record.data_bytes = static_cast<std::int64_t>(bytes.size());
  record.data_sha256 = sha256(bytes);
  record.provenance = provenance;
  return record;
}

void require_set(const Paths& paths, const Hex& set_id) {
  if (!is_present(paths.recipe(set_id))) throw InternalError("the set " + set_id + " has no recipe: call ensure_set first");
}

// Which layer gives which wanted step: the oldest that holds it. nullopt when one is nowhere.
std::optional<std::map<std::size_t, std::set<std::int64_t>>> assign(const std::vector<Layer>& layers,
                                                                    const std::set<std::int64_t>& wanted) {
  std::map<std::size_t, std::set<std::int64_t>> by_layer;
  for (const auto step : wanted) {
    const auto holds = [&](const Layer& layer) {
      return std::find(layer.record.steps.begin(), layer.record.steps.end(), step) != layer.record.steps.end();
    };
    const auto found = std::find_if(layers.begin(), layers.end(), holds);
    if (found == layers.end()) return std::nullopt;
    by_layer[static_cast<std::size_t>(found - layers.begin())].insert(step);
  }
  return by_layer;
}

Block read_one(const BlockFolder& folder, const Layer& layer, const std::set<std::int64_t>& steps) {
  const auto bytes = read_layer(folder, layer);
  const auto path = (folder.data() / layer.record.data_name).string();
  auto block = decode_block(bytes, folder.set_id, layer.record.name.number, steps, path);
  if (static_cast<std::int64_t>(block.index.size()) != layer.record.count) throw DataError(path + ": has another number of samples");
  return block;
}

Block merge(std::vector<Block> parts) {
  auto whole = std::move(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    for (auto& recorded : parts[i].steps) whole.steps.push_back(std::move(recorded));
  }
  std::sort(whole.steps.begin(), whole.steps.end(), [](const auto& a, const auto& b) { return a.step > b.step; });
  return whole;
}

}  // namespace

bool keep_request(Workspace& workspace, const BlockFolder& folder, const Value& request) {
  const auto path = folder.request();
  const auto text = seal(Value::Map{{"score", folder.score_id}, {"request", request}});
  const auto present = read_if_present(path);
  if (present == Found{text, ""}) return false;
  if (present) {
    const FolderLock lock(folder.quarantine());
    if (read_if_present(path) == present) move_aside(path, folder.quarantine() / ("request.json." + unique_name()));
  }
  const auto aside = workspace.fresh();
  write_durable(aside, text);
  publish_file(aside, path);
  return true;
}

std::vector<Layer> Store::Impl::usable_layers(const BlockFolder& folder, std::uint64_t number, std::set<fs::path>& passed_over,
                                              std::vector<Damage>* damage) {
  auto commits = commit_paths(folder, number);
  std::erase_if(commits, [&](const fs::path& path) { return passed_over.contains(path); });
  auto scan = scan_layers(folder, commits);
  for (const auto& bad : scan.bad) drop_layer(folder, bad, passed_over, damage);
  return std::move(scan.layers);
}

void Store::Impl::drop_layer(const BlockFolder& folder, const BadLayer& bad, std::set<fs::path>& passed_over, std::vector<Damage>* damage) {
  if (read_only) passed_over.insert(bad.path);
  if (!read_only && !quarantined(folder, bad)) return;  // another process was faster, and reports it
  if (damage) damage->push_back({bad.path, bad.what});
}

bool Store::publish_block(const Hex& set_id, const Block& block, const Provenance& provenance) {
  impl_->require_writable("publish a block");
  require_set(impl_->paths, set_id);
  const auto folder = impl_->paths.trajectories(set_id);
  const auto bytes = encode_block(set_id, block);
  std::vector<std::int64_t> steps;
  for (const auto& recorded : block.steps) steps.push_back(recorded.step);
  auto record = record_of(folder, {block.number, layer_name(steps)}, static_cast<std::int64_t>(block.index.size()), bytes, provenance);
  record.steps = std::move(steps);
  record.sample_sha256 = sample_digest(block);
  record.nonfinite = finite_rows(block.steps.back().state).logical_not().sum().item<std::int64_t>();
  return publish_layer(folder, std::move(record), bytes, impl_->workspace);
}

std::optional<Block> Store::read_block(const Hex& set_id, std::uint64_t number, const std::set<std::int64_t>& steps,
                                       std::vector<Damage>* damage) {
  if (steps.empty()) throw InternalError("read_block: no steps were asked for");
  const auto folder = impl_->paths.trajectories(set_id);
  std::set<fs::path> passed_over;
  while (true) {  // each turn beyond the first has one damaged layer less, or one that another process changed
    const auto layers = impl_->usable_layers(folder, number, passed_over, damage);
    const auto assigned = assign(layers, steps);
    if (!assigned) return std::nullopt;
    std::vector<Block> parts;
    for (const auto& [which, its_steps] : *assigned) {
      try {
        parts.push_back(read_one(folder, layers[which], its_steps));
      } catch (const DataError& error) {
        impl_->drop_layer(folder, condemn(layers[which], error.what()), passed_over, damage);
        break;
      }
    }
    if (parts.size() == assigned->size()) return merge(std::move(parts));
  }
}

bool Store::publish_scores(const Hex& set_id, const Hex& score_id, const Value& request, std::uint64_t block,
                           const std::vector<double>& score, const Provenance& provenance) {
  impl_->require_writable("publish scores");
  require_set(impl_->paths, set_id);
  const auto folder = impl_->paths.scores(set_id, score_id);
  make_folders(folder.folder);
  keep_request(impl_->workspace, folder, request);
  const auto bytes = encode_scores(folder, block, score);
  auto record = record_of(folder, {block, kScoresLayer}, static_cast<std::int64_t>(score.size()), bytes, provenance);
  return publish_layer(folder, std::move(record), bytes, impl_->workspace);
}

std::optional<std::vector<double>> Store::read_scores(const Hex& set_id, const Hex& score_id, std::uint64_t block,
                                                      std::vector<Damage>* damage) {
  const auto folder = impl_->paths.scores(set_id, score_id);
  std::set<fs::path> passed_over;
  while (true) {
    const auto layers = impl_->usable_layers(folder, block, passed_over, damage);
    if (layers.empty()) return std::nullopt;
    const auto& layer = layers.front();
    const auto path = (folder.data() / layer.record.data_name).string();
    try {
      auto score = decode_scores(read_layer(folder, layer), folder, block, path);
      if (static_cast<std::int64_t>(score.size()) != layer.record.count) throw DataError(path + ": has another number of scores");
      return score;
    } catch (const DataError& error) {
      impl_->drop_layer(folder, condemn(layer, error.what()), passed_over, damage);
    }
  }
}

std::optional<BlockStatus> block_status(const BlockFolder& folder, const std::vector<fs::path>& commits) {
  BlockStatus status;
  bool any = false;
  for (const auto& layer : scan_layers(folder, commits).layers) {
    std::error_code error;
    const auto size = fs::file_size(folder.data() / layer.record.data_name, error);
    if (error || size != static_cast<std::uintmax_t>(layer.record.data_bytes)) continue;  // reading it would find it damaged
    any = true;
    if (!status.nonfinite) status.nonfinite = layer.record.nonfinite;  // of the x_0 that all layers share
    status.steps.insert(layer.record.steps.begin(), layer.record.steps.end());
    status.total.bytes += layer.record.data_bytes;
    status.total.seconds += layer.record.provenance.seconds;
    status.total.network_evaluations += layer.record.provenance.network_evaluations;
    status.total.makers.push_back(layer.record.provenance.maker);
  }
  return any ? std::optional(std::move(status)) : std::nullopt;
}

std::map<std::uint64_t, BlockStatus> Store::blocks(const Hex& set_id) const {
  std::map<std::uint64_t, BlockStatus> blocks;
  const auto folder = impl_->paths.trajectories(set_id);
  for (const auto& [number, commits] : all_commit_paths(folder)) {
    if (auto status = block_status(folder, commits)) blocks[number] = std::move(*status);
  }
  return blocks;
}

std::map<std::uint64_t, CommitInfo> Store::score_blocks(const Hex& set_id, const Hex& score_id) const {
  std::map<std::uint64_t, CommitInfo> blocks;
  const auto folder = impl_->paths.scores(set_id, score_id);
  for (const auto& [number, commits] : all_commit_paths(folder)) {
    if (const auto status = block_status(folder, commits)) blocks[number] = status->total;
  }
  return blocks;
}

}  // namespace espalier::cache
