#include "runtime/sdk/kinds.h"

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/sdk/domain.h"

namespace espalier {
namespace {

void sampler_inputs(Inputs& in) {
  in.model("model", "The models to sample with: of several, each is used for the steps it is for.").of("denoiser").many();
}

void reward_inputs(Inputs& in) { in.trajectories("samples", "The samples to score.").sampled(); }

void filter_inputs(Inputs& in) {
  in.scores("scores", "The scores to choose by.");
  in.selection("selection", "Choose only among what this filter accepted; weights are multiplied.").optional();
}

void trainer_inputs(Inputs& in) { in.model("model", "Where training starts."); }

void corrector_inputs(Inputs& in) { in.model("model", "The frozen model to run backwards.").of("denoiser"); }

void no_inputs(Inputs& in) { (void)in; }

}  // namespace

const std::vector<KindInfo>& stage_kinds() {
  static const std::vector<KindInfo> kKinds = {
      {"sampler", ResultKind::trajectories, sampler_inputs, /*from_examples=*/false, "its micro-batches"},
      {"reward", ResultKind::scores, reward_inputs, false, "its blocks"},
      {"filter", ResultKind::selection, filter_inputs, false, "all of its work"},
      {"trainer", ResultKind::model, trainer_inputs, false, "its optimizer step and a checkpoint"},
      {"noise_corrector", ResultKind::trajectories, corrector_inputs, /*from_examples=*/true, "its evaluations"},
      {"metric", ResultKind::findings, no_inputs, false, "all of its work"},
  };
  return kKinds;
}

const KindInfo* find_kind(const std::string& kind) {
  for (const auto& info : stage_kinds()) {
    if (info.kind == kind) return &info;
  }
  return nullptr;
}

std::vector<InputInfo> declared_inputs(const KindInfo& kind, Plugin& plugin) {
  Inputs in;
  kind.usual_inputs(in);
  plugin.inputs(in);
  auto infos = in.infos();
  for (const auto& info : infos) {
    for (const auto& other : info.excludes) {
      if (std::none_of(infos.begin(), infos.end(), [&](const InputInfo& known) { return known.name == other; }))
        throw InternalError("the input '" + info.name + "' excludes the input '" + other + "', which is not declared");
    }
  }
  return infos;
}

}  // namespace espalier
