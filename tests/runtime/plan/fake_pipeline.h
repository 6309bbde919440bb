#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/config/resolve.h"
#include "runtime/plan/plan.h"
#include "runtime/plugin/catalog.h"

// A pipeline of plugins that compute nothing, and a cache in memory, as far as a planner uses either.
namespace espalier::plan {

// Plugins named "fake", one of each kind, with the numerics versions given ("sampler" -> 2), 1 otherwise. The domain's options are texts
// that stand for content: prompts (conditions), decoder, examples; `count`, how many conditions it has; `example_count`. A model's state is
// as many floats as its folder says. The sampler costs 2 evaluations a step; the noise corrector inverts 4 steps. Besides "filter.fake"
// there is "filter.keyed", which needs canonical keys.
int& reward_identities();  // how often the fake rewards were asked for their identity, by all pipelines
plugin::Catalog fake_catalog(const std::map<std::string, std::int64_t>& versions = {});

// The folder of a model whose weights the text stands for and whose state is `size` floats; there until the program ends.
std::string model_folder(const std::string& weights, std::int64_t size = 3);
Hex digest_of_folder(const std::string& weights);  // of its weights

// samples -> alignment -> best -> tuned -> tuned_samples -> tuned_alignment -> summary (baseline: alignment), and pretrained on examples.
// The model "base" of [models] is model_folder("base"). 10 conditions, 4 samples each, blocks of 16, 20 steps; tuned from 0.25 N on with
// the loss "forward", so that step 5 is read.
std::string pipeline_text();

struct Fake {
  explicit Fake(const std::vector<std::string>& overrides = {}, const std::map<std::string, std::int64_t>& versions = {},
                const std::string& text = pipeline_text());
  plugin::Catalog catalog;
  config::PipelineSpec spec;
};

// Such a pipeline, kept until the program ends: a StagePlan points into it.
const Fake& pipeline(const std::vector<std::string>& overrides = {}, const std::map<std::string, std::int64_t>& versions = {},
                     const std::string& text = pipeline_text());

class FakeIndex final : public cache::Index {
 public:
  std::map<std::uint64_t, cache::BlockStatus> blocks(const Hex& set_id) const override;
  std::map<std::uint64_t, cache::CommitInfo> score_blocks(const Hex& set_id, const Hex& score_id) const override;
  std::optional<cache::ResultInfo> result(const std::string& kind, const Hex& key) const override;
  std::vector<Value> requests(const std::string& kind) const override;
  std::vector<cache::Probe> probes(const Hex& set_id, const Hex& score_id) const override;

  // As if the stage had been run, by this machine: what it lacked is there afterwards. Each block of trajectories took 2 seconds.
  void carry_out(const StagePlan& plan);

  Value numerics_class;                             // of this machine
  std::map<Hex, std::vector<cache::Probe>> probed;  // by score id, or set id
  std::map<Hex, std::map<std::uint64_t, cache::BlockStatus>> sets;

 private:
  std::map<std::pair<Hex, Hex>, std::map<std::uint64_t, cache::CommitInfo>> scores_;
  std::map<std::pair<std::string, Hex>, cache::ResultInfo> results_;
  std::map<std::string, std::vector<Value>> requests_;
};

using Plans = std::map<std::string, StagePlan>;  // by tag

Plans plan_all(const Fake& fake, const cache::Index& index);

// Runs the pipeline to its end; gives the plan of the run after it.
Plans run_all(const Fake& fake, FakeIndex& index);

}  // namespace espalier::plan
