#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

// The entry function of the plugin library that the test program links.
extern "C" void espalier_register(espalier::Registrar& registrar);

// Checks of what every plugin of a kind must do. A plugin's own test calls the check of its kind:
//
//   TEST(TopK, Conforms) { check_filter(plugin("filter.top_k"), {{"k", 1}, {"group_by", "condition"}}, ungrouped_scores()); }
//
// Each check reports through GoogleTest and first calls check_options().
namespace espalier::conformance {

using Options = Value::Map;

// Returns the entry that is registered as "<kind>.<name>". Throws PluginError if there is none.
PluginEntry find_entry(const Registrar& registrar, const std::string& type);
inline PluginEntry plugin(const std::string& type) {
  Registrar registrar;
  espalier_register(registrar);
  return find_entry(registrar, type);
}

// Makes a plugin with these options, as interface T. Throws ConfigError with all problems of the options.
std::unique_ptr<Plugin> make_any(const PluginEntry& entry, const Options& options);
template <class T>
std::unique_ptr<T> make(const PluginEntry& entry, const Options& options = {}) {
  auto any = make_any(entry, options);
  if (!dynamic_cast<T*>(any.get())) throw PluginError(entry.kind + "." + entry.name + " does not implement the interface of its kind");
  return std::unique_ptr<T>(dynamic_cast<T*>(any.release()));
}

// Returns the inputs of the plugin with these options, by name: the usual ones of its kind and its own.
std::map<std::string, InputInfo> inputs_of(const PluginEntry& entry, const Options& options = {});

// Runs a check of the engine (runtime/sdk/check.h). If it throws PluginError, fails the test with its message and returns false.
bool expect_accepted(const std::function<void()>& check);

// Checks that option names are snake_case and unique, docs are sentences, defaults are within their bounds, integers have upper bounds, two
// new plugins have the same defaults, and a misspelt option is refused with the nearest name. Inputs also need names and docs of this form.
void check_options(const PluginEntry& entry);

// Checks a filter:
//   equal input gives an equal selection, which the engine accepts, also if some scores are NaN or infinite;
//   with group_by = "condition" a group's selection depends on that group alone;
//   as in a chain, it selects only from the samples that it is offered, and from one condition alone the same as among others;
//   if it needs keys, its selection depends on which keys are equal and not on their spelling;
//   the engine accepts its law, whose density has integral 1, and for continuous scores the acceptance rate, density, expected quantile and
//   KL agree with the selections (if it needs keys, the KL may exceed that of the density).
// `scores` needs some hundreds of rows without NaN. If keys are needed and it has none, some are made up.
void check_filter(const PluginEntry& entry, const Options& options, const FilterInput& scores);

// Checks that a score is [B] of float or double; has equal bits when scored twice and from two threads at once; is equal within `tolerance`
// (relative to 1 + |score|) in batches of any size; that scoring does not change the samples; and that identity() is stable. Requires at
// least 4 samples. Without `context` the domain is the toy domain.
struct RewardSamples {
  Sample sample;
  std::vector<Value> metadata;
  std::vector<std::string> text;
};
void check_reward(const PluginEntry& entry, const Options& options, const RewardSamples& samples, double tolerance = 1e-5);
void check_reward(const PluginEntry& entry, const Options& options, const RewardSamples& samples, const RewardContext& context,
                  double tolerance = 1e-5);

// Checks a sampler on the toy domain and a toy model of the process that it takes (variance preserving if it takes any):
//   the engine accepts its phases and the states of its solvers;
//   it is deterministic, and a sample's bits do not depend on the other samples in a micro-batch of the same size;
//   predictions() agrees with the network's own count;
//   a tuned model is used only for its steps;
//   gaussian(), where it gives a law, is what step() draws from and log_prob() is of;
//   a model of another process, or steps without a model, are ConfigErrors.
// `num_inference_steps` must be an option.
void check_sampler(const PluginEntry& entry, const Options& options);

// Checks a trainer on the toy domain and model, or on the given ones: training that is interrupted at a safe point and resumed gives the
// same bits as uninterrupted training, from checkpoints as they are written to disk (JSON, no live tensors); the starting model is not
// changed; weights are finite; the curve "loss" is logged. The options must set at most some tens of steps. Of a selection each sample has
// a condition of its own; of scores, two samples with different scores have one.
enum class TrainsOn { examples, selection, scores };
void check_trainer(const PluginEntry& entry, const Options& options, TrainsOn source);
void check_trainer(const PluginEntry& entry, const Options& options, TrainsOn source, const Domain& domain, const Model& model);

// Checks a noise corrector on the toy domain and a toy flow:
//   its phase starts at the examples and has one segment;
//   it records every step 0..N once, in order, with the fields of noise_corrector.h, which are all 0 at the sample;
//   the residuals and the round-trip error are those of the network's own steps;
//   an example's bits depend only on the size of the micro-batch, not on its block;
//   it returns the network's number of evaluations, and stops when a stop is requested;
//   a model that is not a flow is a ConfigError.
// `num_inference_steps` must be an option.
void check_noise_corrector(const PluginEntry& entry, const Options& options);

// Checks a domain:
//   splits have names, conditions of one size, and stable digests; no text is in two splits (if `disjoint_splits`);
//   examples fit the spec of the states and are the same in any batch and from two threads;
//   decoding gives samples of the declared kind, each independent of its batch and with an image;
//   encoding a decoded sample gives the state again.
// With a model, its codec is checked, and its network predicts from examples that are encoded for it.
struct DomainExpectations {
  bool disjoint_splits = true;
  double decode_tolerance = 1e-5;  // between batches
  const Model* model = nullptr;    // a model of the domain
};
void check_domain(const PluginEntry& entry, const Options& options, const DomainExpectations& expectations = {});

// Checks that a metric gives at least one finding, that check_findings accepts them, and that an equal key gives equal bits.
void check_metric(const PluginEntry& entry, const Options& options, const MetricInput& input);

}  // namespace espalier::conformance
