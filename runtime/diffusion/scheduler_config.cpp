#include "runtime/diffusion/scheduler_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/base/typed_table.h"

namespace espalier::diffusion {
namespace {

// Far above what is used; a schedule is a table of its steps, a state has a row for each element.
constexpr std::int64_t kMostSteps = 1'000'000;
constexpr std::int64_t kMostElements = 65536;

template <class E, std::size_t N = 3>
using Names = std::array<std::pair<const char*, E>, N>;

constexpr Names<BetaSchedule> kBetaSchedules{{{"linear", BetaSchedule::linear},
                                              {"scaled_linear", BetaSchedule::scaled_linear},
                                              {"squaredcos_cap_v2", BetaSchedule::squaredcos_cap_v2}}};
constexpr Names<Prediction> kPredictions{
    {{"epsilon", Prediction::epsilon}, {"v_prediction", Prediction::v_prediction}, {"sample", Prediction::sample}}};
constexpr Names<VisitOrder, 2> kOrders{{{"round_robin", VisitOrder::round_robin}, {"joint", VisitOrder::joint}}};
constexpr Names<TokenReversal, 2> kReversals{{{"posterior", TokenReversal::posterior}, {"gibbs", TokenReversal::gibbs}}};
constexpr Names<TimestepSpacing> kSpacings{
    {{"leading", TimestepSpacing::leading}, {"trailing", TimestepSpacing::trailing}, {"linspace", TimestepSpacing::linspace}}};

// What bears on the process, or must be off.
const std::vector<std::string> kRead = {"num_train_timesteps", "beta_schedule",          "beta_start",     "beta_end",
                                        "prediction_type",     "timestep_spacing",       "steps_offset",   "set_alpha_to_one",
                                        "clip_sample",         "clip_sample_range",      "thresholding",   "trained_betas",
                                        "variance_type",       "rescale_betas_zero_snr", "use_flow_sigmas"};
// Of features that are refused where they are on, and bookkeeping.
const std::vector<std::string> kPassedOver = {"name",       "dynamic_thresholding_ratio", "sample_max_value",
                                              "flow_shift", "use_dynamic_shifting",       "time_shift_type"};
// How a scheduler steps, which is the sampler stage's affair here, with the values that are its class's usual way.
const std::vector<std::pair<std::string, Value::List>> kStepping = {{"skip_prk_steps", {true, false}},
                                                                    {"use_karras_sigmas", {false, nullptr}},
                                                                    {"use_exponential_sigmas", {false, nullptr}},
                                                                    {"use_beta_sigmas", {false, nullptr}},
                                                                    {"use_lu_lambdas", {false, nullptr}},
                                                                    {"interpolation_type", {"linear"}},
                                                                    {"timestep_type", {"discrete"}},
                                                                    {"sigma_min", {nullptr}},
                                                                    {"sigma_max", {nullptr}},
                                                                    {"final_sigmas_type", {"zero"}},
                                                                    {"algorithm_type", {"dpmsolver++"}},
                                                                    {"solver_order", {2}},
                                                                    {"solver_type", {"midpoint"}},
                                                                    {"lower_order_final", {true}},
                                                                    {"euler_at_final", {false}},
                                                                    {"lambda_min_clipped", {nullptr}},
                                                                    {"original_inference_steps", {50}},
                                                                    {"timestep_scaling", {10.0}}};

// Keys of FlowMatchEulerDiscreteScheduler: the features that would change its sigmas or steps, and what only they would read.
const std::vector<std::string> kFlowFeatures = {"use_dynamic_shifting",   "invert_sigmas",   "use_karras_sigmas",
                                                "use_exponential_sigmas", "use_beta_sigmas", "stochastic_sampling"};
const std::vector<std::string> kInterleaved = {"num_elements",   "num_classes",   "num_rounds", "order",
                                               "token_reversal", "beta_schedule", "beta_start", "beta_end"};
const std::vector<std::string> kFlowOthers = {"name",
                                              "num_train_timesteps",
                                              "shift",
                                              "shift_terminal",
                                              "base_shift",
                                              "max_shift",
                                              "base_image_seq_len",
                                              "max_image_seq_len",
                                              "time_shift_type"};

template <class E, std::size_t N>
const char* name_of(const Names<E, N>& names, E value) {
  for (const auto& [name, candidate] : names) {
    if (candidate == value) {
      return name;
    }
  }
  throw InternalError("a scheduler option without a name");
}

template <class E, std::size_t N>
void read_choice(const TypedTable& table, const char* key, E& target, const Names<E, N>& names) {
  std::vector<std::string> known;
  for (const auto& [name, value] : names) known.emplace_back(name);
  std::string chosen = name_of(names, target);
  table.choice(key, chosen, known);
  for (const auto& [name, value] : names) {
    if (chosen == name) target = value;
  }
}

// `read` and `others` are the keys of `process`, which has its article. Keys that begin with '_' are diffusers' own.
void refuse_unknown(const Value& table, const std::string& origin, const std::string& process, const std::vector<std::string>& read,
                    const std::vector<std::string>& others) {
  std::vector<std::string> known = read;
  known.insert(known.end(), others.begin(), others.end());
  Value named;
  for (const auto& [key, value] : table.as_map()) {
    if (!key.starts_with('_')) named[key] = value;
  }
  TypedTable(named, origin).refuse_unknown(process, known);
}

// A feature that is not implemented, and must be off.
void refuse_feature(const TypedTable& table, const std::string& key, const std::string& why) {
  bool used = false;
  table.flag(key, used);
  if (used) table.refuse(key, "false: " + why);
}

void read_betas(const TypedTable& table, double& start, double& end) {
  table.number("beta_start", start, {.above = 0.0, .below = 1.0});
  table.number("beta_end", end, {.below = 1.0});
  if (end < start) table.refuse("beta_end", fmt::format("at least beta_start = {} and below 1", start));
}

void refuse_unimplemented(const TypedTable& reader, const Value& table) {
  refuse_feature(reader, "thresholding", "dynamic thresholding is not implemented");
  refuse_feature(reader, "rescale_betas_zero_snr", "rescaled betas are not implemented");
  refuse_feature(reader, "use_flow_sigmas", "this would be a flow, not a variance preserving process");
  // diffusers writes null where there are none
  if (!reader.is_null("trained_betas")) reader.refuse("trained_betas", "null: only the schedules of 'beta_schedule' are implemented");
  if (const Value* variance = table.find("variance_type"); variance != nullptr && variance->is_string()) {
    if (variance->as_string().starts_with("learned")) {
      reader.refuse("variance_type", "a fixed one: a learned variance is not implemented (the sampler's eta sets the variance)");
    }
  }
}

// "" of a table that names none.
std::string class_of(const Value& table) {
  for (const char* key : {"_class_name", "name"}) {
    if (const Value* name = table.find(key); name != nullptr && name->is_string()) return name->as_string();
  }
  return "";
}

SchedulerConfig defaults_of(const std::string& scheduler) {
  SchedulerConfig config;
  if (scheduler == "LCMScheduler") {
    config.beta_schedule = BetaSchedule::scaled_linear;
    config.beta_start = 0.00085;
    config.beta_end = 0.012;
  }
  // The other classes clip nothing, or nothing by default.
  const std::vector<std::string> not_clipping = {"PNDMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler",
                                                 "DPMSolverMultistepScheduler", "LCMScheduler"};
  config.clip_sample = std::ranges::find(not_clipping, scheduler) == not_clipping.end();
  return config;
}

void read_spacing(const TypedTable& reader, std::optional<TimestepSpacing>& spacing) {
  if (!reader.has("timestep_spacing")) return;
  auto named = TimestepSpacing::leading;
  read_choice(reader, "timestep_spacing", named, kSpacings);
  spacing = named;
}

}  // namespace

const char* prediction_name(Prediction prediction) { return name_of(kPredictions, prediction); }

const std::vector<std::string>& variance_preserving_schedulers() {
  static const std::vector<std::string> names = {"DDIMScheduler",          "DDPMScheduler",
                                                 "PNDMScheduler",          "DPMSolverMultistepScheduler",
                                                 "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler",
                                                 "LCMScheduler",           "variance_preserving"};
  return names;
}

SchedulerConfig read_scheduler_config(const Value& table, const std::string& origin) {
  auto others = kPassedOver;
  for (const auto& [key, usual] : kStepping) others.push_back(key);
  refuse_unknown(table, origin, "a variance preserving process", kRead, others);
  const TypedTable reader(table, origin);
  refuse_unimplemented(reader, table);
  auto config = defaults_of(class_of(table));
  reader.integer("num_train_timesteps", config.num_train_timesteps, {.at_least = 1, .at_most = kMostSteps});
  read_choice(reader, "beta_schedule", config.beta_schedule, kBetaSchedules);
  read_betas(reader, config.beta_start, config.beta_end);
  read_choice(reader, "prediction_type", config.prediction, kPredictions);
  read_spacing(reader, config.spacing);
  reader.integer("steps_offset", config.steps_offset, {.at_least = 0, .at_most = kMostSteps});
  reader.flag("set_alpha_to_one", config.set_alpha_to_one);
  reader.flag("clip_sample", config.clip_sample);
  reader.number("clip_sample_range", config.clip_sample_range, {.above = 0.0});
  return config;
}

std::vector<std::string> scheduler_notes(const Value& table) {
  const auto name = class_of(table);
  const auto& known = variance_preserving_schedulers();
  if (std::ranges::find(known, name) == known.end()) return {};
  std::vector<std::string> notes;
  if (!table.contains("prediction_type")) {
    notes.push_back(fmt::format("prediction_type is not named; the network is taken to predict {}, the default of {}",
                                name_of(kPredictions, defaults_of(name).prediction), name));
  }
  std::string stepping;
  for (const auto& [key, usual] : kStepping) {
    const Value* value = table.find(key);
    if (value == nullptr || std::ranges::find(usual, *value) != usual.end()) continue;
    stepping += fmt::format("{}{} = {}", stepping.empty() ? "" : ", ", key, to_json(*value));
  }
  if (!stepping.empty()) notes.push_back(stepping + ": how " + name + " would step; the sampler stage's options decide that here");
  return notes;
}

Value to_value(const SchedulerConfig& config) {
  Value table;
  table["_class_name"] = "DDIMScheduler";
  table["num_train_timesteps"] = config.num_train_timesteps;
  table["beta_schedule"] = name_of(kBetaSchedules, config.beta_schedule);
  table["beta_start"] = config.beta_start;
  table["beta_end"] = config.beta_end;
  table["prediction_type"] = name_of(kPredictions, config.prediction);
  if (config.spacing) table["timestep_spacing"] = name_of(kSpacings, *config.spacing);
  table["steps_offset"] = config.steps_offset;
  table["set_alpha_to_one"] = config.set_alpha_to_one;
  table["clip_sample"] = config.clip_sample;
  if (config.clip_sample) {
    table["clip_sample_range"] = config.clip_sample_range;
  }
  return table;
}

FlowConfig read_flow_config(const Value& table, const std::string& origin) {
  refuse_unknown(table, origin, "a rectified flow", kFlowFeatures, kFlowOthers);
  const TypedTable reader(table, origin);
  FlowConfig config;
  reader.integer("num_train_timesteps", config.num_train_timesteps, {.at_least = 1, .at_most = kMostSteps});
  for (const auto& feature : kFlowFeatures) {
    refuse_feature(reader, feature, "only the uniform schedule of a rectified flow is implemented");
  }
  double shift = 1.0;
  reader.number("shift", shift);
  if (shift != 1.0) reader.refuse("shift", "1.0: a shifted schedule is not implemented");
  // diffusers writes null where there is none
  if (!reader.is_null("shift_terminal")) reader.refuse("shift_terminal", "null: a terminal shift is not implemented");
  return config;
}

InterleavedConfig read_interleaved_config(const Value& table, const std::string& origin) {
  refuse_unknown(table, origin, "an interleaved process", kInterleaved, {"name"});
  const TypedTable reader(table, origin);
  InterleavedConfig config;
  for (const char* key : {"num_elements", "num_classes"}) {
    if (!reader.has(key)) reader.refuse(key, "the model's own");
  }
  reader.integer("num_elements", config.num_elements, {.at_least = 1, .at_most = kMostElements});
  reader.integer("num_classes", config.num_classes, {.at_least = 2, .at_most = kMostElements});
  reader.integer("num_rounds", config.num_rounds, {.at_least = 1, .at_most = kMostSteps});
  read_choice(reader, "order", config.order, kOrders);
  read_choice(reader, "token_reversal", config.token_reversal, kReversals);
  read_choice(reader, "beta_schedule", config.beta_schedule, kBetaSchedules);
  read_betas(reader, config.beta_start, config.beta_end);
  if (config.order == VisitOrder::joint && config.token_reversal == TokenReversal::gibbs) {
    reader.refuse("token_reversal",
                  "\"posterior\": \"gibbs\" draws a token given the others, and order = \"joint\" moves them all at once");
  }
  return config;
}

Value to_value(const InterleavedConfig& config) {
  Value table;
  table["_class_name"] = "InterleavedScheduler";
  table["num_elements"] = config.num_elements;
  table["num_classes"] = config.num_classes;
  table["num_rounds"] = config.num_rounds;
  table["order"] = name_of(kOrders, config.order);
  table["token_reversal"] = name_of(kReversals, config.token_reversal);
  table["beta_schedule"] = name_of(kBetaSchedules, config.beta_schedule);
  table["beta_start"] = config.beta_start;
  table["beta_end"] = config.beta_end;
  return table;
}

Value to_value(const FlowConfig& config) {
  Value table;
  table["_class_name"] = "FlowMatchEulerDiscreteScheduler";
  table["num_train_timesteps"] = config.num_train_timesteps;
  table["shift"] = 1.0;
  return table;
}

}  // namespace espalier::diffusion
