#include "runtime/report/colours.h"

#include <algorithm>
#include <string_view>

namespace espalier::report {
namespace {

bool is_kind(const exec::StageRecord& stage, std::string_view kind) { return stage.type.starts_with(std::string(kind) + "."); }

// Whether the metric compares others of its inputs with this one.
bool is_baseline(const exec::Record& record, const exec::StageRecord& stage, const std::string& input) {
  return std::any_of(record.scores.begin(), record.scores.end(), [&](const exec::ScoresRecord& scores) {
    return scores.baseline == input && std::find(stage.inputs.begin(), stage.inputs.end(), scores.stage) != stage.inputs.end();
  });
}

// The stage whose work this one shows, or nullptr. Of several inputs the latest counts that is no baseline of another.
const exec::StageRecord* shown_by(const exec::Record& record, const exec::StageRecord& stage,
                                  const std::map<std::string, const exec::StageRecord*>& earlier) {
  if (is_kind(stage, "trainer") || is_kind(stage, "filter")) return nullptr;
  const exec::StageRecord* latest = nullptr;
  for (const auto& input : stage.inputs) {
    const auto found = earlier.find(input);
    if (found == earlier.end() || (is_kind(stage, "sampler") && !is_kind(*found->second, "trainer"))) continue;
    if (is_baseline(record, stage, input)) continue;
    if (latest == nullptr || found->second > latest) latest = found->second;  // pointers into one vector
  }
  return latest;
}

}  // namespace

Colours::Colours(const exec::Record& record) {
  std::map<std::string, const exec::StageRecord*> earlier;
  int next = 0;
  for (const auto& stage : record.stages) {
    const auto* shown = shown_by(record, stage, earlier);
    colour_[stage.tag] = shown != nullptr ? colour_.at(shown->tag) : next++ % kCount;
    earlier[stage.tag] = &stage;
  }
}

int Colours::of(const std::string& stage) const {
  const auto found = colour_.find(stage);
  return found == colour_.end() ? 0 : found->second;
}

}  // namespace espalier::report
