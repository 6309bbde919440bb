#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/exec/context.h"
#include "runtime/selection/chain.h"

namespace espalier::exec {

// What a filter stage accepts, and its law.
struct Choice {
  Selection accepted;
  Law law;
  std::int64_t total = 0;    // samples to choose from in the whole view: those that are not excluded
  std::int64_t invalid = 0;  // of these, without a finite score
};

// The choices of filter stages from scores in the cache. Reads each reward's scores once.
class Choices {
 public:
  explicit Choices(Context& context) : context_(context) {}

  // Of a chain, each filter before it has chosen first. Throws the filters' errors, Quarantined on damage.
  const Choice& of(const config::StageSpec& filter);

  // [N], of the whole view: by which the filter chooses: its reward's, or the weighted sum of several rewards' (FilterView).
  const std::vector<double>& scores(const config::StageSpec& filter);
  const std::vector<double>& scores_of(const std::string& reward);

 private:
  std::vector<selection::Link> chain_of(const config::StageSpec& filter);

  Context& context_;
  std::map<std::string, std::vector<double>> rewards_, mixed_;  // by tag
  std::map<std::string, Choice> choices_;
};

}  // namespace espalier::exec
