#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/sdk/encoding.h"
#include "runtime/sdk/plugin.h"

// What plugins return, checked: one function for each method of a kind. The engine calls it wherever it calls the method, and the
// conformance suites call the same ones. `who` is the plugin's type ("filter.top_k") and begins the message, which names what was found and
// what would be right. All throw PluginError.
namespace espalier {

// Options: each default meets the declaration's own type, choices and bounds. Sets the bound members to their defaults.
void check_defaults(const std::string& who, Schema& schema);

// Filters. An empty selection is none of these errors.
void check_selection(const std::string& who, const Selection& selection, const FilterInput& offered);

// Rewards: [samples], float or double.
void check_scores(const std::string& who, const at::Tensor& score, std::int64_t samples);

// Metrics: names once, values finite and inside their intervals, series of equal lengths.
void check_findings(const std::string& who, const Findings& findings);

// Trainers. Of a model of the start's architecture: the same tensors, of the same shapes and dtypes; of a model with an adapter, the very
// tensors of the start beside it. `planned`: trained_info(), where the trainer gave it.
void check_trained(const std::string& who, const Model& trained, const Model& start, const std::optional<ModelInfo>& planned);

// Samplers and noise correctors: phases() for these models, a prior among them.
void check_phases(const std::string& who, Direction direction, const std::vector<Phase>& phases, const std::vector<ModelInfo>& models);

// Network evaluations, as both kinds count them.
void check_evaluations(const std::string& who, std::int64_t evaluations);

// A state's fields: those of the spec and no others, [batch, ...]. `what` names the state.
void check_state(const std::string& who, const std::string& what, const State& state, const StateSpec& spec, std::int64_t batch);

// Follows what a sampler records of a micro-batch, or a noise corrector of a block: the points given, each once and in this order.
class RecordCheck {
 public:
  RecordCheck(std::string who, std::vector<diffusion::GridPoint> points, StateSpec spec, std::int64_t batch)
      : who_(std::move(who)), points_(std::move(points)), spec_(std::move(spec)), batch_(batch) {}
  void record(const diffusion::GridPoint& point, const State& state);
  void end() const;  // of the micro-batch: every point was recorded

 private:
  std::string who_;
  std::vector<diffusion::GridPoint> points_;
  StateSpec spec_;
  std::int64_t batch_;
  std::size_t next_ = 0;
};
// Of the last phase; an inversion's states have certificates beside the fields of the spec (noise_corrector.h).
RecordCheck recorded(const std::string& who, Direction direction, const Phase& last, const StateSpec& spec, std::int64_t batch);
// The noise of an inversion: `converged` is 0 or 1, and what converged is finite.
void check_certificates(const std::string& who, const State& noise, const StateSpec& spec);

// [B] bool: whether a row's floating-point fields are all finite. A sample that is not is excluded (docs/pipelines.md).
at::Tensor finite_rows(const State& state);

// Domains.
void check_domain(const std::string& who, const Domain& domain);  // what is known once it is open: kind, splits, codec without model
void check_codec(const std::string& who, const Codec* codec);     // codec(): there is one, and its states have fields
void check_conditions(const std::string& who, const std::string& split, const Conditions& conditions);
void check_examples(const std::string& who, const EncodedExamples::Batch& batch, const StateSpec& spec, std::int64_t count);
void check_decoded(const std::string& who, const Sample& sample, const std::string& kind, std::int64_t count);
void check_images(const std::string& who, const std::vector<Image>& images, std::int64_t count);
void check_canonical_keys(const std::string& who, const std::vector<std::string>& keys, std::int64_t count);

}  // namespace espalier
