#pragma once

#include <string>
#include <vector>

#include "runtime/sdk/inputs.h"

namespace espalier {

class Plugin;

// What differs between the kinds of stages, for code that works on all of them.
struct KindInfo {
  std::string kind;
  ResultKind gives;
  void (*usual_inputs)(Inputs&);  // of every plugin of the kind; a plugin adds to them and changes them
  // The inputs that the kind's interface passes to a plugin, and whether it passes scores under any name.
  std::vector<std::string> passes;
  bool passes_any_scores = false;
  // Of trajectories: they run from the domain's examples to noise. Otherwise from noise to a sample of a condition.
  bool from_examples = false;
  std::string stops_after;  // what a stage finishes before it stops

  bool samples() const { return gives == ResultKind::trajectories && !from_examples; }
};

// The stage kinds.
const std::vector<KindInfo>& stage_kinds();
const KindInfo* find_kind(const std::string& kind);

// The inputs of a plugin of this kind, whose options are read: the usual ones and its own. Throws InternalError where it declares one twice
// as different things, excludes one that it does not have, or declares one that the kind's interface does not pass.
std::vector<InputInfo> declared_inputs(const KindInfo& kind, Plugin& plugin);

}  // namespace espalier
