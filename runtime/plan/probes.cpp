#include "runtime/plan/probes.h"

#include <set>

namespace espalier::plan {
namespace {

// Returns `here` and all makers that probes link with it, directly or through others.
std::set<Hex> same_as(const cache::Maker& here, const std::vector<cache::Probe>& probes) {
  std::set<Hex> same{here.id()};
  for (std::size_t before = 0; before != same.size();) {
    before = same.size();
    for (const auto& probe : probes) {
      const auto maker = probe.maker.id(), against = probe.against.id();
      if (same.contains(maker) || same.contains(against)) same.insert({maker, against});
    }
  }
  return same;
}

std::string names_that_differ(const Value& here, const Value& other) {
  std::string names;
  for (const auto& [name, digest] : here.as_map()) {
    const auto* found = other.find(name);
    if (found == nullptr || *found != digest) names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

}  // namespace

cache::Maker maker_of(const config::PipelineSpec& spec, const config::StageSpec& stage) { return {stage.libraries, spec.numerics_class}; }

std::vector<PendingProbe> pending_probes(const cache::Maker& here, const std::map<std::uint64_t, cache::CommitInfo>& blocks,
                                         const cache::Index& index, const Hex& set_id, const Hex& score_id) {
  const auto own = here.id();
  std::set<Hex> seen{own};
  std::vector<PendingProbe> others;
  for (const auto& [number, commit] : blocks) {
    for (const auto& maker : commit.makers) {
      if (seen.insert(maker.id()).second) others.push_back({maker, number});
    }
  }
  if (others.empty()) return others;
  const auto same = same_as(here, index.probes(set_id, score_id));
  std::erase_if(others, [&](const PendingProbe& other) { return same.contains(other.against.id()); });
  return others;
}

std::string maker_difference(const cache::Maker& here, const cache::Maker& other) {
  std::string text;
  if (other.build().empty()) {
    text = "a build that its record does not name";
  } else if (other.libraries != here.libraries) {
    text = "another build of " + names_that_differ(here.libraries, other.libraries);
  }
  std::string fields;
  for (const auto& [name, value] : here.numerics_class.as_map()) {
    const auto* found = other.numerics_class.find(name);
    if (found != nullptr && *found == value) continue;
    fields +=
        (fields.empty() ? "" : ", ") + name + " " + (found ? to_json(*found) : "not recorded") + " there, " + to_json(value) + " here";
  }
  if (!fields.empty()) text += (text.empty() ? "" : " and ") + ("another numerics class (" + fields + ")");
  return text;
}

}  // namespace espalier::plan
