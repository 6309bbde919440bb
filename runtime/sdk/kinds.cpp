#include "runtime/sdk/kinds.h"

namespace espalier {

const char* result_name(ResultKind kind) {
  switch (kind) {
    case ResultKind::trajectories:
      return "trajectories";
    case ResultKind::scores:
      return "scores";
    case ResultKind::selection:
      return "selection";
    case ResultKind::model:
      return "model";
    case ResultKind::figures:
      return "figures";
  }
  return "";
}

const std::vector<KindInfo>& stage_kinds() {
  constexpr bool kOptional = false, kMany = true;
  static const std::vector<KindInfo> kKinds = {
      {"sampler", ResultKind::trajectories, {{"model", ResultKind::model, true, kMany}}},
      {"reward", ResultKind::scores, {{"samples", ResultKind::trajectories}, {"model", ResultKind::model, kOptional}}},
      {"filter", ResultKind::selection, {{"scores", ResultKind::scores}}},
      {"trainer", ResultKind::model, {{"model", ResultKind::model}, {"selection", ResultKind::selection, kOptional}}},
      {"metric", ResultKind::figures, {{"scores", ResultKind::scores, true, kMany}, {"baseline", ResultKind::scores, kOptional}}},
  };
  return kKinds;
}

const KindInfo* find_kind(const std::string& kind) {
  for (const auto& info : stage_kinds()) {
    if (info.kind == kind) return &info;
  }
  return nullptr;
}

}  // namespace espalier
