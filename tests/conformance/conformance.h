#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

// The library's entry, of whatever plugin this test program links.
extern "C" void espalier_register(espalier::Registrar& registrar);

// What every plugin of a kind must do, checked by one call in the plugin's own test:
//
//   TEST(TopK, Conforms) { check_filter(plugin("filter.top_k"), {{"k", 1}, {"group_by", "condition"}}, ungrouped_scores()); }
//
// Each check reports through GoogleTest and first calls check_options().
namespace espalier::conformance {

using Options = Value::Map;

// The entry that this test program's plugin registers as "<kind>.<name>". Throws PluginError when there is none.
PluginEntry find_entry(const Registrar& registrar, const std::string& type);
inline PluginEntry plugin(const std::string& type) {
  Registrar registrar;
  espalier_register(registrar);
  return find_entry(registrar, type);
}

// A plugin of the interface T with these options. Throws ConfigError with every problem of the options.
std::unique_ptr<Plugin> make_any(const PluginEntry& entry, const Options& options);
template <class T>
std::unique_ptr<T> make(const PluginEntry& entry, const Options& options = {}) {
  auto any = make_any(entry, options);
  if (!dynamic_cast<T*>(any.get())) throw PluginError(entry.kind + "." + entry.name + " does not implement the interface of its kind");
  return std::unique_ptr<T>(dynamic_cast<T*>(any.release()));
}

// The inputs of the plugin with these options, by name: those usual for its kind and its own.
std::map<std::string, InputInfo> inputs_of(const PluginEntry& entry, const Options& options = {});

// Runs a check of the engine (runtime/sdk/check.h); fails with its message where it throws, and is false then.
bool expect_accepted(const std::function<void()>& check);

// Names are snake_case and unique, docs are sentences, defaults lie within their bounds, two new plugins have the same defaults, a misspelt
// option is refused with the right name. Inputs likewise have names and docs.
void check_options(const PluginEntry& entry);

// The same selection from the same input; the engine accepts it, also where some scores are NaN or infinite; with group_by =
// "condition" a group's selection depends on that group alone. As in a chain: of only some of
// the samples it selects what it was offered, and of one condition alone what it selects of it among others. Of a filter that needs keys:
// how they are spelt changes nothing, whether they are equal does. The law: the engine accepts it; its density has integral 1; on
// continuous scores its acceptance rate, density, expected quantile and KL agree with what is selected (where keys are needed the KL may
// exceed its density's). `scores` wants some hundreds of rows and no NaN; canonical keys are made up where they are needed and it has none.
void check_filter(const PluginEntry& entry, const Options& options, const FilterInput& scores);

// Score is [B] of float or double; equal bits when scored twice, and from two threads at once; within `tolerance` (relative to 1 +
// |score|) in whatever batches it is scored; the sample is left as it was; identity() is stable. At least 4 samples. The context is the toy
// domain unless given.
struct RewardSamples {
  Sample sample;
  std::vector<Value> metadata;
  std::vector<std::string> text;
};
void check_reward(const PluginEntry& entry, const Options& options, const RewardSamples& samples, double tolerance = 1e-5);
void check_reward(const PluginEntry& entry, const Options& options, const RewardSamples& samples, const RewardContext& context,
                  double tolerance = 1e-5);

// On the toy domain and a toy model of the process that the sampler takes (any: variance preserving): the engine
// accepts its phases and the states of its solvers; deterministic; a sample's bits do not depend on the others in a micro-batch of the same
// size; predictions() is what the network counts; a tuned model is used for its steps alone; a model of another process, and steps without
// a model, are ConfigErrors. `num_inference_steps` must be an option.
void check_sampler(const PluginEntry& entry, const Options& options);

// On the toy domain and model, or on those given: training interrupted at a safe point and resumed gives the same bits as training in one
// go, through checkpoints as they are written to disk (JSON, no live tensors); the model it starts from is left as it was; weights are
// finite; the curve "loss" is logged. Options must name at most some tens of steps.
enum class TrainsOn { examples, selection };
void check_trainer(const PluginEntry& entry, const Options& options, TrainsOn source);
void check_trainer(const PluginEntry& entry, const Options& options, TrainsOn source, const Domain& domain, const Model& model);

// On the toy domain and a toy flow: its phase starts at the examples and has one segment; every step 0..N recorded once, in order, with the
// fields of noise_corrector.h, all 0 at the sample; the residuals and the round-trip error are what the network's own steps give; an
// example's bits depend on the micro-batch's size alone, not on its block; the evaluations returned are the network's; it stops when asked;
// a model that is no flow is a ConfigError. `num_inference_steps` must be an option.
void check_noise_corrector(const PluginEntry& entry, const Options& options);

// Splits have names, conditions of one size, and stable digests; no condition's text is in two splits (where `disjoint_splits`); examples
// fit the state's spec, are the same in any batch and from two threads; decoding gives samples of the declared kind, each independent of
// its batch, and an image each; encoded again, a decoded sample gives the state. With a model: its codec is looked at, and its network
// predicts from examples encoded for it.
struct DomainExpectations {
  bool disjoint_splits = true;
  double decode_tolerance = 1e-5;  // between batches
  const Model* model = nullptr;    // one of the domain's
};
void check_domain(const PluginEntry& entry, const Options& options, const DomainExpectations& expectations = {});

// Findings that check_findings accepts, at least one; equal bits from an equal key.
void check_metric(const PluginEntry& entry, const Options& options, const MetricInput& input);

}  // namespace espalier::conformance
