#include "runtime/base/errors.h"
#include "runtime/cache/store_impl.h"

namespace espalier::cache {

namespace fs = std::filesystem;

void Store::Impl::mend_layers(const BlockFolder& folder, const std::vector<fs::path>& commits, std::vector<Damage>* damage) {
  std::set<fs::path> passed_over;
  const auto scan = scan_layers(folder, commits);
  for (const auto& bad : scan.bad) drop_layer(folder, bad, passed_over, damage);
  for (const auto& layer : scan.layers) {
    try {
      check_size(folder.data() / layer.record.data_name, layer.record.data_bytes);
    } catch (const DataError& error) {
      drop_layer(folder, condemn(layer, error.what()), passed_over, damage);
    }
  }
}

void Store::Impl::mend_blocks(const BlockFolder& folder, std::vector<Damage>* damage) {
  for (const auto& stray : stray_paths(folder)) mend_layers(folder, {stray}, damage);
  for (const auto& [number, commits] : all_commit_paths(folder)) mend_layers(folder, commits, damage);
}

void Store::mend_set(const Value& recipe, std::vector<Damage>* damage) {
  impl_->require_writable("mend a set");
  const auto folder = impl_->paths.trajectories(ensure_set(recipe));
  impl_->mend_blocks(folder, damage);
  for (const auto& name : names_in(folder.folder / "first")) {
    const auto what = mend_first(folder, name, impl_->workspace);
    if (what && damage) damage->push_back({folder.folder / "first" / name, *what});
  }
}

void Store::mend_scores(const Hex& set_id, const Hex& score_id, const Value& request, std::vector<Damage>* damage) {
  impl_->require_writable("mend scores");
  const auto folder = impl_->paths.scores(set_id, score_id);
  const auto path = folder.request();
  if (keep_request(impl_->workspace, folder, request) && damage) damage->push_back({path, path.string() + ": was damaged or absent"});
  impl_->mend_blocks(folder, damage);
}

}  // namespace espalier::cache
