#include "runtime/sdk/kinds.h"

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/sdk/domain.h"

namespace espalier {
namespace {

void sampler_inputs(Inputs& in) {
  in.model("model", "The models to sample with: of several, each is used for the steps it is for.").of("denoiser").many();
  in.trajectories("start", "Begin at states of these trajectories, at the option start_step, instead of at noise.").sampled().optional();
}

void reward_inputs(Inputs& in) { in.trajectories("samples", "The samples to score.").sampled(); }

void filter_inputs(Inputs& in) {
  in.scores("scores", "The scores to choose by; of several rewards, their weighted sum.").many();
  in.selection("selection", "Choose only among what this filter accepted; weights are multiplied.").optional();
}

void trainer_inputs(Inputs& in) { in.model("model", "Where training starts."); }

void corrector_inputs(Inputs& in) { in.model("model", "The frozen model to run backwards.").of("denoiser"); }

void no_inputs(Inputs& in) { (void)in; }

}  // namespace

const std::vector<KindInfo>& stage_kinds() {
  static const std::vector<KindInfo> kKinds = {
      {.kind = "sampler",
       .gives = ResultKind::trajectories,
       .usual_inputs = sampler_inputs,
       .passes = {"model", "prior", "start"},
       .stops_after = "its micro-batches"},
      {.kind = "reward",
       .gives = ResultKind::scores,
       .usual_inputs = reward_inputs,
       .passes = {"samples", "model"},
       .stops_after = "its blocks"},
      {.kind = "filter",
       .gives = ResultKind::selection,
       .usual_inputs = filter_inputs,
       .passes = {"scores", "selection"},
       .stops_after = "all of its work"},
      {.kind = "trainer",
       .gives = ResultKind::model,
       .usual_inputs = trainer_inputs,
       .passes = {"model", "selection", "scores", "examples", "profile", "reference"},
       .stops_after = "its optimizer step and a checkpoint"},
      {.kind = "noise_corrector",
       .gives = ResultKind::trajectories,
       .usual_inputs = corrector_inputs,
       .passes = {"model"},
       .from_examples = true,
       .stops_after = "its evaluations"},
      {.kind = "metric",
       .gives = ResultKind::findings,
       .usual_inputs = no_inputs,
       .passes = {"samples", "model", "selection"},
       .passes_any_scores = true,
       .stops_after = "all of its work"},
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
    const bool passed = std::find(kind.passes.begin(), kind.passes.end(), info.name) != kind.passes.end();
    if (!passed && !(kind.passes_any_scores && info.takes == ResultKind::scores)) {
      std::string names;
      for (const auto& name : kind.passes) names += (names.empty() ? "" : ", ") + name;
      throw InternalError("the input '" + info.name + "' is not passed to a " + kind.kind + "; it has: " + names +
                          (kind.passes_any_scores ? ", and scores under any name" : ""));
    }
    for (const auto& other : info.excludes) {
      if (std::none_of(infos.begin(), infos.end(), [&](const InputInfo& known) { return known.name == other; }))
        throw InternalError("the input '" + info.name + "' excludes the input '" + other + "', which is not declared");
    }
  }
  return infos;
}

}  // namespace espalier
