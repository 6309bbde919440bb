#include "runtime/cache/store.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/errors.h"
#include "runtime/base/file_system.h"
#include "runtime/base/files.h"
#include "runtime/cache/sealed.h"
#include "runtime/cache/store_impl.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostFormatBytes = 4096;

std::string format_line() { return std::string(kCacheFormat) + "\n"; }

// FORMAT comes first and is published whole, so a folder with anything else in it and no FORMAT is not ours.
void refuse_foreign(const Paths& paths) {
  const auto foreign = [&] {
    for (const auto& name : names_in(paths.root())) {
      if (!name.starts_with(".FORMAT.") && name != "lost+found") return !is_present(paths.format());
    }
    return false;
  };
  if (foreign()) {
    throw CacheError(paths.root().string() + ": is not a cache (it has no FORMAT) and not empty; name an empty or absent folder");
  }
}

// Called before any work, whose results could not be published. Where no file can be made at all, the cache may still be meant for reading
// only.
void refuse_unfit(const Paths& paths) {
  const auto found = examine_file_system(paths.trial());
  if (found.can_publish()) return;
  throw CacheError(paths.root().string() + ": its file system has neither hard links (" + std::strerror(found.link) +
                   ") nor a rename that replaces nothing (" + std::strerror(found.rename_no_replace) +
                   "), so that nothing can be published there; name a folder on another file system");
}

void make_format(const Paths& paths) {
  const auto aside = paths.trial();
  write_durable(aside, format_line());
  publish_file(aside, paths.format());
}

void check_format(const Paths& paths) {
  const auto found = read_if_present(paths.format(), kMostFormatBytes);
  if (!found) throw CacheError(paths.root().string() + ": is not a cache: it has no FORMAT");
  if (!found->fault.empty()) throw CacheError(found->fault + "; in a cache it holds the line '" + std::string(kCacheFormat) + "' alone");
  if (found->bytes == format_line()) return;
  if (found->bytes.starts_with(format_line())) {
    throw CacheError(paths.format().string() + ": more follows the line '" + std::string(kCacheFormat) + "', which stands there alone");
  }
  auto shown = found->bytes.substr(0, std::min<std::size_t>(found->bytes.find('\n'), 64));
  std::replace_if(shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  throw CacheError(paths.format().string() + ": its format is '" + shown + "'; this program knows '" + std::string(kCacheFormat) +
                   "' only: use the version that made it, or another folder");
}

}  // namespace

std::unique_ptr<Store> Store::open(const fs::path& root, bool read_only) {
  const Paths paths(root);
  std::error_code error;
  const auto type = fs::status(root, error).type();
  if (type == fs::file_type::not_found && read_only) throw CacheError(root.string() + ": there is no such cache");
  if (type != fs::file_type::not_found && type != fs::file_type::directory) {
    throw CacheError(root.string() + ": is not a folder" + (error ? " (" + error.message() + ")" : ""));
  }
  if (!read_only) {
    make_folders(fs::absolute(root));
    const bool made = is_present(paths.format());
    made ? check_format(paths) : refuse_foreign(paths);
    refuse_unfit(paths);
    if (!made) make_format(paths);
  }
  check_format(paths);
  return std::unique_ptr<Store>(new Store(root, read_only));
}

Store::Store(fs::path root, bool read_only)
    : root_(std::move(root)), read_only_(read_only), impl_(std::make_unique<Impl>(root_, read_only)) {}

Store::~Store() = default;

void Store::Impl::require_writable(const std::string& what) const {
  if (read_only) throw CacheError(paths.root().string() + ": cannot " + what + ": this cache was opened for reading only");
}

Hex Store::ensure_set(const Value& recipe) {
  const auto set_id = digest(recipe);
  const auto path = impl_->paths.recipe(set_id);
  const auto holds = [&](const std::optional<Found>& found) {
    try {
      return found && digest(parse_json(found->sound(), path.string())) == set_id;
    } catch (const DataError&) {
      return false;
    }
  };
  auto present = read_if_present(path);
  if (holds(present)) return set_id;
  impl_->require_writable("make the set " + set_id);
  const auto text = to_json(recipe, 2) + "\n";
  if (!holds(Found{text, ""})) throw InternalError("a recipe does not survive JSON (a NaN or an infinity in it?): " + to_json(recipe));
  make_folders(path.parent_path());
  for (int attempt = 0; attempt < 16; ++attempt) {
    if (present) {  // damaged: it is made anew
      const FolderLock lock(impl_->paths.set(set_id) / "quarantine");
      if (read_if_present(path) == present) move_aside(path, path.parent_path() / "quarantine" / ("recipe.json." + unique_name()));
    }
    const auto aside = impl_->workspace.fresh();
    write_durable(aside, text);
    publish_file(aside, path);
    present = read_if_present(path);
    if (holds(present)) return set_id;
  }
  throw CacheError(path.string() + ": could not be written so that it reads back equal; check the disk");
}

std::optional<Value> Store::recipe(const Hex& set_id) const {
  const auto path = impl_->paths.recipe(set_id);
  const auto present = read_if_present(path);
  if (!present) return std::nullopt;
  try {
    auto recipe = parse_json(present->sound(), path.string());
    const auto found = digest(recipe);
    if (found != set_id) throw DataError(path.string() + ": its digest is " + found + ", not that of its folder");
    return recipe;
  } catch (const DataError& error) {
    throw CacheError(error.what());
  }
}

fs::path Store::new_folder() {
  impl_->require_writable("make a folder");
  auto folder = impl_->workspace.fresh();
  make_folders(folder);
  return folder;
}

std::unique_ptr<FolderLock> Store::lock_training(const Hex& model_key, std::string& holder) {
  impl_->require_writable("train a model");
  return FolderLock::try_lock(impl_->paths.training_lock(model_key), holder);
}

fs::path Store::checkpoint_folder(const Hex& model_key) {
  auto folder = impl_->paths.checkpoint(model_key);
  if (!read_only_) make_folders(folder);
  return folder;
}

void Store::remove_checkpoints(const Hex& model_key) {
  impl_->require_writable("remove checkpoints");
  const auto aside = impl_->workspace.fresh();
  if (!move_aside(impl_->paths.checkpoint(model_key), aside)) return;  // gone at once for every reader, whatever happens next
  std::error_code error;
  fs::remove_all(aside, error);
  if (error) throw CacheError(aside.string() + ": cannot be removed: " + error.message());
}

std::vector<Value> Store::requests(const std::string& kind) const {
  std::vector<Value> requests;
  const auto& paths = impl_->paths;
  // What is damaged cannot be compared with; verify reports it.
  const auto keep = [&](const fs::path& path, bool sealed) {
    try {
      const auto found = read_if_present(path);
      if (!found) return;
      const auto& text = found->sound();
      requests.push_back(sealed ? unseal(text, path.string()).at("request") : parse_json(text, path.string()));
    } catch (const DataError&) {  // NOLINT(bugprone-empty-catch): a damaged entry is no request; verify reports it
    }
  };
  if (kind == "trajectories") {
    for (const auto& set_id : paths.all_sets()) keep(paths.recipe(set_id), false);
  } else if (kind == "scores") {
    for (const auto& set_id : paths.all_sets()) {
      for (const auto& score_id : paths.all_scores(set_id)) keep(paths.scores(set_id, score_id).request(), true);
    }
  } else {
    for (const auto& key : paths.all_results(kind)) {
      if (const auto found = result(kind, key)) requests.push_back(found->request);
    }
  }
  return requests;
}

}  // namespace espalier::cache
