#pragma once

#include <string>
#include <vector>

namespace espalier {

// What a stage gives to the stages that name it.
enum class ResultKind { trajectories, scores, selection, model, figures };
const char* result_name(ResultKind kind);  // also the folder of its entries in the cache

// An input a kind of stage takes: `inputs = { <name> = "<tag>" }`, a list of tags where `many`. The tag "domain" is the domain itself,
// which counts as a model (its model folder).
struct Port {
  std::string name;
  ResultKind takes;
  bool required = true;
  bool many = false;
};

struct KindInfo {
  std::string kind;
  ResultKind gives;
  std::vector<Port> ports;
};

// The stage kinds: sampler {model (many)}, reward {samples, model?}, filter {scores}, trainer {model, selection?}, metric {scores (many),
// baseline?}.
const std::vector<KindInfo>& stage_kinds();
const KindInfo* find_kind(const std::string& kind);

}  // namespace espalier
