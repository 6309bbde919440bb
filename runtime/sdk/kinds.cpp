#include "runtime/sdk/kinds.h"

#include "runtime/sdk/domain.h"

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
    case ResultKind::findings:
      return "findings";
  }
  return "";
}

const std::vector<KindInfo>& stage_kinds() {
  constexpr bool kOptional = false, kMany = true;
  static const std::vector<KindInfo> kKinds = {
      {"sampler", ResultKind::trajectories, {{"model", ResultKind::model, true, kMany}, {"prior", ResultKind::model, kOptional}}},
      {"reward", ResultKind::scores, {{"samples", ResultKind::trajectories}, {"model", ResultKind::model, kOptional}}},
      {"filter", ResultKind::selection, {{"scores", ResultKind::scores}, {"selection", ResultKind::selection, kOptional}}},
      {"trainer",
       ResultKind::model,
       {{"model", ResultKind::model}, {"selection", ResultKind::selection, kOptional}, {"examples", ResultKind::trajectories, kOptional}}},
      {"noise_corrector", ResultKind::trajectories, {{"model", ResultKind::model}}},
      {"metric",
       ResultKind::findings,
       {{"scores", ResultKind::scores, kOptional, kMany},
        {"baseline", ResultKind::scores, kOptional},
        {"samples", ResultKind::trajectories, kOptional, kMany},
        {"model", ResultKind::model, kOptional}}},
  };
  return kKinds;
}

std::vector<Port> ports_of(const KindInfo& kind, const Plugin& plugin) {
  const auto uses = plugin.ports();
  std::vector<Port> ports;
  for (auto port : kind.ports) {
    const auto use = uses.find(port.name);
    if (use != uses.end() && use->second == PortUse::refused) continue;
    if (use != uses.end()) port.required = true;
    ports.push_back(std::move(port));
  }
  return ports;
}

const KindInfo* find_kind(const std::string& kind) {
  for (const auto& info : stage_kinds()) {
    if (info.kind == kind) return &info;
  }
  return nullptr;
}

}  // namespace espalier
