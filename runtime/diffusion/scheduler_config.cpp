#include "runtime/diffusion/scheduler_config.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

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

// Keys of DDIMScheduler, DDPMScheduler and of the configurations made from PNDMScheduler's that change nothing here:
// the fixed variances of DDPM are `eta` of the sampler, the others belong to features that are off.
const std::vector<std::string> kRead = {"num_train_timesteps", "beta_schedule",         "beta_start",   "beta_end",
                                        "prediction_type",     "timestep_spacing",      "steps_offset", "set_alpha_to_one",
                                        "clip_sample",         "clip_sample_range",     "thresholding", "trained_betas",
                                        "variance_type",       "rescale_betas_zero_snr"};
const std::vector<std::string> kPassedOver = {"name", "dynamic_thresholding_ratio", "sample_max_value", "skip_prk_steps"};

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

// A file's table with messages that name the file and the key.
class Reader {
 public:
  Reader(const Value& table, const std::string& origin) : table_(table), origin_(origin) {}

  void integer(const char* key, std::int64_t& target, std::int64_t least, std::int64_t most) const {
    if (const Value* value = table_.find(key)) {
      check_type(key, value->is_integer(), *value, "an integer");
      target = value->as_integer();
      check(key, target >= least && target <= most, fmt::format("{}; it must be from {} to {}", target, least, most));
    }
  }
  void number(const char* key, double& target) const {
    if (const Value* value = table_.find(key)) {
      check_type(key, value->is_number(), *value, "a number");
      target = value->as_number();
    }
  }
  void flag(const char* key, bool& target) const {
    if (const Value* value = table_.find(key)) {
      check_type(key, value->is_bool(), *value, "true or false");
      target = value->as_bool();
    }
  }
  template <class E, std::size_t N>
  void choice(const char* key, E& target, const Names<E, N>& names) const {
    const Value* value = table_.find(key);
    if (value == nullptr) {
      return;
    }
    check_type(key, value->is_string(), *value, "a string");
    std::vector<std::string> known;
    for (const auto& [name, candidate] : names) {
      if (value->as_string() == name) {
        target = candidate;
        return;
      }
      known.emplace_back(name);
    }
    fail(key, "'" + value->as_string() + "'" + did_you_mean(value->as_string(), known));
  }
  void refuse(const char* key, bool found, const std::string& why) const { check(key, !found, why); }
  void check(const char* key, bool holds, const std::string& problem) const {
    if (!holds) {
      fail(key, problem);
    }
  }
  [[noreturn]] void fail(const char* key, const std::string& problem) const {
    throw DataError(fmt::format("{}: '{}' is {}", origin_, key, problem));
  }

 private:
  void check_type(const char* key, bool holds, const Value& value, const char* expected) const {
    check(key, holds, fmt::format("of type {}; it must be {}", value.type_name(), expected));
  }

  const Value& table_;
  const std::string& origin_;
};

// `read` and `others` are the keys of `process`, which has its article.
void refuse_unknown(const Value& table, const std::string& origin, const std::string& process, const std::vector<std::string>& read,
                    const std::vector<std::string>& others) {
  std::vector<std::string> known = read;
  known.insert(known.end(), others.begin(), others.end());
  for (const auto& [key, value] : table.as_map()) {
    bool expected = key.starts_with('_');
    for (const auto& name : known) {
      expected = expected || key == name;
    }
    if (!expected) {
      throw DataError(fmt::format("{}: {} has no key '{}'{}", origin, process, key, did_you_mean(key, known)));
    }
  }
}

void refuse_unimplemented(const Reader& reader, const Value& table) {
  bool thresholding = false;
  bool zero_snr = false;
  reader.flag("thresholding", thresholding);
  reader.flag("rescale_betas_zero_snr", zero_snr);
  reader.refuse("thresholding", thresholding, "true; dynamic thresholding is not implemented (false is)");
  reader.refuse("rescale_betas_zero_snr", zero_snr, "true; rescaled betas are not implemented (false is)");
  const Value* betas = table.find("trained_betas");  // diffusers writes null where there are none
  reader.refuse("trained_betas", betas != nullptr && !betas->is_null(), "given; only the schedules of 'beta_schedule' are implemented");
  if (const Value* variance = table.find("variance_type"); variance != nullptr && variance->is_string()) {
    reader.refuse("variance_type", variance->as_string().starts_with("learned"),
                  "'" + variance->as_string() + "'; a learned variance is not implemented (the sampler's eta sets the variance)");
  }
}

}  // namespace

SchedulerConfig read_scheduler_config(const Value& table, const std::string& origin) {
  refuse_unknown(table, origin, "a variance preserving process", kRead, kPassedOver);
  const Reader reader(table, origin);
  refuse_unimplemented(reader, table);
  SchedulerConfig config;
  reader.integer("num_train_timesteps", config.num_train_timesteps, 1, kMostSteps);
  reader.choice("beta_schedule", config.beta_schedule, kBetaSchedules);
  reader.number("beta_start", config.beta_start);
  reader.number("beta_end", config.beta_end);
  reader.choice("prediction_type", config.prediction, kPredictions);
  reader.choice("timestep_spacing", config.spacing, kSpacings);
  reader.integer("steps_offset", config.steps_offset, 0, kMostSteps);
  reader.flag("set_alpha_to_one", config.set_alpha_to_one);
  reader.flag("clip_sample", config.clip_sample);
  reader.number("clip_sample_range", config.clip_sample_range);
  reader.check("beta_start", config.beta_start > 0.0 && config.beta_start < 1.0, fmt::format("{}; 0 < beta_start < 1", config.beta_start));
  reader.check("beta_end", config.beta_end >= config.beta_start && config.beta_end < 1.0,
               fmt::format("{}; beta_start <= beta_end < 1", config.beta_end));
  reader.check("clip_sample_range", config.clip_sample_range > 0.0, fmt::format("{}; it must be above 0", config.clip_sample_range));
  return config;
}

Value to_value(const SchedulerConfig& config) {
  Value table;
  table["_class_name"] = "DDIMScheduler";
  table["num_train_timesteps"] = config.num_train_timesteps;
  table["beta_schedule"] = name_of(kBetaSchedules, config.beta_schedule);
  table["beta_start"] = config.beta_start;
  table["beta_end"] = config.beta_end;
  table["prediction_type"] = name_of(kPredictions, config.prediction);
  table["timestep_spacing"] = name_of(kSpacings, config.spacing);
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
  const Reader reader(table, origin);
  FlowConfig config;
  reader.integer("num_train_timesteps", config.num_train_timesteps, 1, kMostSteps);
  for (const auto& feature : kFlowFeatures) {
    bool used = false;
    reader.flag(feature.c_str(), used);
    reader.refuse(feature.c_str(), used, "true; only the uniform schedule of a rectified flow is implemented (false is)");
  }
  double shift = 1.0;
  reader.number("shift", shift);
  reader.check("shift", shift == 1.0, fmt::format("{}; a shifted schedule is not implemented (1.0 is)", shift));
  const Value* terminal = table.find("shift_terminal");  // diffusers writes null where there is none
  reader.refuse("shift_terminal", terminal != nullptr && !terminal->is_null(), "given; a terminal shift is not implemented (null is)");
  return config;
}

InterleavedConfig read_interleaved_config(const Value& table, const std::string& origin) {
  refuse_unknown(table, origin, "an interleaved process", kInterleaved, {"name"});
  const Reader reader(table, origin);
  InterleavedConfig config;
  for (const char* key : {"num_elements", "num_classes"}) {
    reader.check(key, table.find(key) != nullptr, "missing; it is the model's own");
  }
  reader.integer("num_elements", config.num_elements, 1, kMostElements);
  reader.integer("num_classes", config.num_classes, 2, kMostElements);
  reader.integer("num_rounds", config.num_rounds, 1, kMostSteps);
  reader.choice("order", config.order, kOrders);
  reader.choice("token_reversal", config.token_reversal, kReversals);
  reader.choice("beta_schedule", config.beta_schedule, kBetaSchedules);
  reader.number("beta_start", config.beta_start);
  reader.number("beta_end", config.beta_end);
  reader.check("beta_start", config.beta_start > 0.0 && config.beta_start < 1.0, fmt::format("{}; 0 < beta_start < 1", config.beta_start));
  reader.check("beta_end", config.beta_end >= config.beta_start && config.beta_end < 1.0,
               fmt::format("{}; beta_start <= beta_end < 1", config.beta_end));
  reader.check("token_reversal", config.order == VisitOrder::round_robin || config.token_reversal == TokenReversal::posterior,
               "'gibbs', which draws a token given the others; order = \"joint\" moves them all at once (posterior is for both)");
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
