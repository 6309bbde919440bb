#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/domain.h"
#include "runtime/sdk/findings.h"
#include "runtime/sdk/selected_trajectories.h"
#include "runtime/sdk/stage_context.h"

namespace espalier {

// One reward's numbers over a view, with what each was scored against.
struct ScoredView {
  std::string tag;                        // of the reward stage
  std::vector<double> score;              // [N]
  std::vector<std::int64_t> condition;    // [N]
  Hex conditions = {};                    // digest of the split's conditions, which `condition` counts
  std::vector<Value> metadata = {};       // [C], of these conditions
  std::string samples = {};               // the stage whose trajectories were scored
  std::int64_t num_steps = 0;             // N of their grid
  std::string start = {};                 // the stage at whose recorded states these trajectories begin; "": at noise
  std::int64_t start_step = 0;            // steps remaining there
  std::optional<View> trajectories = {};  // those that were scored, without the excluded ones; none in a test that reads none
};

struct MetricInput {
  std::map<std::string, std::vector<ScoredView>> scores;  // by input ("scores", "baseline")
  random::StreamKey key;
  std::vector<View> samples = {};                                // the input `samples`
  std::vector<SamplingInfo> sampling = {};                       // of each of these that a sampler made
  std::optional<SelectedTrajectories> selection = std::nullopt;  // the input `selection`
  std::shared_ptr<const Model> model = nullptr;                  // the input `model`
  const Domain* domain = nullptr;
  StageContext context = {};
};

// What is known of a metric's inputs before they are made.
struct PlannedInputs {
  std::map<std::string, std::vector<PlannedView>> views;  // by input, in the order named
  const ModelInfo* model;                                 // the input `model`, as far as its trainer gives it; null: none, or not known
  const Domain& domain;
};

class Metric : public Plugin {
 public:
  // What else the findings depend on (digest of real examples, of weights named by path); enters their key.
  virtual Value identity(const Domain& domain) const {
    (void)domain;
    return Value();
  }
  // What cannot be measured of such inputs: too few samples, views that do not belong together. Called before anything is sampled. Throws
  // ConfigError or DataError.
  virtual void check_inputs(const PlannedInputs& inputs) const { (void)inputs; }
  virtual Findings measure(const MetricInput& input) const = 0;
};

}  // namespace espalier
