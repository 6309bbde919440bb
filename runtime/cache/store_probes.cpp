// Records of probes: which makers' numbers were found to be equal. Small, and only ever added.
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/sealed.h"
#include "runtime/cache/store_impl.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "espalier-probe 1";

// One name for a pair of makers.
fs::path probe_path(const BlockFolder& folder, const Probe& probe) {
  return folder.probes() / (digest(Value::List{probe.maker.to_value(), probe.against.to_value()}) + ".json");
}

std::string write_probe(const BlockFolder& folder, const Probe& probe) {
  return seal(Value::Map{
      {"format", kFormat},
      {"set", folder.set_id},
      {"scores", folder.score_id},
      {"maker", probe.maker.to_value()},
      {"against", probe.against.to_value()},
      {"block", probe.block},
      {"samples", probe.samples},
      {"difference", probe.difference},
      {"tolerance", probe.tolerance},
  });
}

Maker read_maker(const Value& value) { return {value.at("libraries"), value.at("numerics_class")}; }

// nullopt where the file is damaged, foreign or gone: the probe is then made again.
std::optional<Probe> read_probe(const BlockFolder& folder, const fs::path& path) {
  try {
    const auto found = read_if_present(path);
    if (!found) return std::nullopt;
    const auto value = unseal(found->sound(), path.string());
    if (value.at("format").as_string() != kFormat || value.at("set").as_string() != folder.set_id ||
        value.at("scores").as_string() != folder.score_id) {
      return std::nullopt;
    }
    Probe probe;
    probe.maker = read_maker(value.at("maker"));
    probe.against = read_maker(value.at("against"));
    probe.block = static_cast<std::uint64_t>(value.at("block").as_integer());
    probe.samples = value.at("samples").as_integer();
    probe.difference = value.at("difference").as_number();
    probe.tolerance = value.at("tolerance").as_number();
    return probe_path(folder, probe) == path ? std::optional(probe) : std::nullopt;
  } catch (const DataError&) {
    return std::nullopt;
  }
}

BlockFolder folder_of(const Paths& paths, const Hex& set_id, const Hex& score_id) {
  return score_id.empty() ? paths.trajectories(set_id) : paths.scores(set_id, score_id);
}

}  // namespace

void Store::record_probe(const Hex& set_id, const Hex& score_id, const Probe& probe) {
  impl_->require_writable("record a probe");
  const auto folder = folder_of(impl_->paths, set_id, score_id);
  const auto path = probe_path(folder, probe);
  make_folders(folder.probes());
  const auto present = read_if_present(path);
  if (present && read_probe(folder, path)) return;
  if (present) {
    const FolderLock lock(folder.quarantine());
    if (read_if_present(path) == present)
      move_aside(path, folder.quarantine() / ("probe." + path.filename().string() + "." + unique_name()));
  }
  const auto aside = impl_->workspace.fresh();
  write_durable(aside, write_probe(folder, probe));
  publish_file(aside, path);
}

std::vector<Probe> Store::probes(const Hex& set_id, const Hex& score_id) const {
  const auto folder = folder_of(impl_->paths, set_id, score_id);
  std::vector<Probe> probes;
  for (const auto& name : names_in(folder.probes())) {
    if (const auto probe = read_probe(folder, folder.probes() / name)) probes.push_back(*probe);
  }
  return probes;
}

}  // namespace espalier::cache
