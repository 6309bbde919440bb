#include "runtime/report/colours.h"

#include <string_view>

namespace espalier::report {
namespace {

bool is_kind(const exec::StageRecord& stage, std::string_view kind) { return stage.type.starts_with(std::string(kind) + "."); }

// The stage whose work this one shows, or nullptr. Of several inputs the latest counts: a model's scores, not the baseline's.
const exec::StageRecord* shown_by(const exec::StageRecord& stage, const std::map<std::string, const exec::StageRecord*>& earlier) {
  if (is_kind(stage, "trainer") || is_kind(stage, "filter")) return nullptr;
  const exec::StageRecord* latest = nullptr;
  for (const auto& input : stage.inputs) {
    const auto found = earlier.find(input);
    if (found == earlier.end() || (is_kind(stage, "sampler") && !is_kind(*found->second, "trainer"))) continue;
    if (latest == nullptr || found->second > latest) latest = found->second;  // pointers into one vector
  }
  return latest;
}

}  // namespace

Colours::Colours(const exec::Record& record) {
  std::map<std::string, const exec::StageRecord*> earlier;
  int next = 0;
  for (const auto& stage : record.stages) {
    const auto* shown = shown_by(stage, earlier);
    colour_[stage.tag] = shown != nullptr ? colour_.at(shown->tag) : next++ % kCount;
    earlier[stage.tag] = &stage;
  }
}

int Colours::of(const std::string& stage) const {
  const auto found = colour_.find(stage);
  return found == colour_.end() ? 0 : found->second;
}

}  // namespace espalier::report
