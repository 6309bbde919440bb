#include <chrono>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/layers.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 16;  // each failed one means that another process did something to the same block in between

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Links the bytes under the first name that is free or already holds them: a damaged file is never trusted, and never replaced in place.
std::string publish_data(const BlockFolder& folder, const CommitRecord& record, const std::string& bytes, Workspace& workspace) {
  for (int copy = 0;; ++copy) {
    const auto name = data_name(record.name.number, record.data_sha256, copy);
    const auto path = folder.data() / name;
    if (const auto present = read_if_present(path, bytes.size())) {
      if (*present != Found{bytes, ""}) continue;
      sync_folder(folder.data());  // the process that linked it may not have done that yet
      return name;
    }
    const auto aside = workspace.fresh();
    write_durable(aside, bytes);
    if (publish_file(aside, path)) return name;
    --copy;  // the other's file is there now: look at it
  }
}

[[noreturn]] void refuse(const BlockFolder& folder, const CommitRecord& record, const Layer& there) {
  throw CacheError(
      "set " + folder.set_id + ", block " + std::to_string(record.name.number) + ": x_0 differs from the one in the cache (" +
      there.path.string() + ", numerics class " + to_json(there.record.provenance.maker.numerics_class) + "; now " +
      to_json(record.provenance.maker.numerics_class) +
      "): the same recipe gave other samples here, so its steps cannot be added; use another cache folder, or compute them where the "
      "set was made");
}

// Whether a sound layer of this name is there already. Damaged ones that stand in the way are quarantined.
bool present_already(const BlockFolder& folder, const CommitRecord& record) {
  while (true) {
    const auto scan = scan_layers(folder, commit_paths(folder, record.name.number));
    bool changed = !scan.bad.empty();
    for (const auto& bad : scan.bad) quarantined(folder, bad);
    bool present = false;
    for (const auto& layer : scan.layers) {
      const bool same_name = layer.record.name.layer == record.name.layer;
      const bool differs = layer.record.sample_sha256 != record.sample_sha256;
      if (!same_name && !differs) continue;
      if (const auto bad = judge_layer(folder, layer)) {
        quarantined(folder, *bad);
        changed = true;
      } else if (differs) {
        refuse(folder, record, layer);
      } else {
        present = true;
      }
    }
    if (!changed) return present;
  }
}

// The record of the first layer ever published of a block stays in first/: of publishers with different x_0 one gets that name, and the
// others are refused before they commit. It outlives its data, for scores may have been made of that x_0.
class First {
 public:
  First(const BlockFolder& folder, const CommitRecord& record, Workspace& workspace)
      : folder_(folder), record_(record), path_(folder.first(record.name.number)), workspace_(workspace) {}

  // Makes `own`, the record's text, the first one, or refuses it if its x_0 is another.
  void claim(const std::string& own) const {
    make_folders(path_.parent_path());
    while (true) {
      const auto found = read_if_present(path_);
      if (!found) {
        propose(own);
      } else if (const auto first = read(*found)) {
        if (first->record.sample_sha256 == record_.sample_sha256) return;
        complete(*first);
        refuse(folder_, record_, *first);
      } else {
        quarantined_first(folder_, path_, *found);
      }
    }
  }

 private:
  std::optional<Layer> read(const Found& found) const {
    try {
      return Layer{read_first(found.sound(), folder_, record_.name.number, path_.string()), path_, found};
    } catch (const DataError&) {
      return std::nullopt;
    }
  }

  void propose(const std::string& text) const {
    const auto scan = scan_layers(folder_, commit_paths(folder_, record_.name.number));
    const auto copy = workspace_.fresh();  // no second link to the commit record: the two must not be damaged together
    write_durable(copy, scan.layers.empty() ? text : scan.layers.front().found.bytes);  // with layers, it was damaged and is made anew
    publish_file(copy, path_);
  }

  // A publisher that was killed between its two links left a whole layer without a commit record.
  void complete(const Layer& first) const {
    const auto path = folder_.commit() / first.record.name.file_name();
    if (is_present(path) || judge_layer(folder_, first)) return;
    const auto copy = workspace_.fresh();
    write_durable(copy, first.found.bytes);
    publish_file(copy, path);
  }

  const BlockFolder& folder_;
  const CommitRecord& record_;
  fs::path path_;
  Workspace& workspace_;
};

}  // namespace

std::optional<std::string> mend_first(const BlockFolder& folder, const std::string& name, Workspace& workspace) {
  const auto path = folder.folder / "first" / name;
  const auto found = read_if_present(path);
  if (!found) return std::nullopt;
  std::uint64_t number = 0;
  std::string what;
  try {
    number = first_number(folder, name);
    read_first(found->sound(), folder, number, path.string());
    return std::nullopt;
  } catch (const DataError& error) {
    what = error.what();
  }
  if (!quarantined_first(folder, path, *found)) return std::nullopt;  // another process was faster
  const auto layers = scan_layers(folder, commit_paths(folder, number)).layers;
  if (path == folder.first(number) && !layers.empty()) {
    const auto copy = workspace.fresh();
    write_durable(copy, layers.front().found.bytes);
    publish_file(copy, path);
  }
  return what;
}

bool publish_layer(const BlockFolder& folder, CommitRecord record, const std::string& bytes, Workspace& workspace) {
  make_folders(folder.data());
  make_folders(folder.commit());
  const auto path = folder.commit() / record.name.file_name();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (present_already(folder, record)) {
      sync_folder(folder.commit());
      return false;
    }
    record.data_name = publish_data(folder, record, bytes, workspace);
    record.committed_ns = now_ns();
    const auto text = write_commit(record);
    if (record.score_id.empty()) First(folder, record, workspace).claim(text);
    const auto aside = workspace.fresh();
    write_durable(aside, text);
    if (publish_file(aside, path)) return true;
  }
  throw CacheError(path.string() + ": could not be published: it appears and vanishes; is another program changing the cache?");
}

}  // namespace espalier::cache
