#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "runtime/diffusion/process.h"
#include "runtime/diffusion/scheduler_config.h"

namespace espalier::diffusion {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kFile = "model/scheduler/scheduler_config.json";

auto reading(const std::string& entries) {
  return [=] { make_process(parse_json(R"({"_class_name": "FlowMatchEulerDiscreteScheduler", )" + entries + "}", kFile), kFile); };
}

TEST(FlowConfig, ReadsWhatDiffusersWrites) {  // 0.42.1
  const auto process = make_process(parse_json(R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.42.1",
    "base_image_seq_len": 256, "base_shift": 0.5, "invert_sigmas": false, "max_image_seq_len": 4096, "max_shift": 1.15,
    "num_train_timesteps": 1000, "shift": 1.0, "shift_terminal": null, "stochastic_sampling": false, "time_shift_type": "exponential",
    "use_beta_sigmas": false, "use_dynamic_shifting": false, "use_exponential_sigmas": false, "use_karras_sigmas": false})",
                                               kFile),
                                    kFile);
  EXPECT_EQ(process->name(), "rectified_flow");
  EXPECT_EQ(process->config(),
            parse_json(R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0})", kFile));
  EXPECT_EQ(make_process(process->config(), kFile)->config(), process->config());
}

TEST(FlowConfig, LeftOutKeysHaveDiffusersDefaults) {
  EXPECT_EQ(make_process(Value(Value::Map{{"name", "rectified_flow"}}), kFile)->config(), to_value(FlowConfig{}));
}

TEST(FlowConfig, TheTimestepOfNoiseIsNumTrainTimesteps) {
  const auto process = make_process(parse_json(R"({"_class_name": "rectified_flow", "num_train_timesteps": 250})", kFile), kFile);
  EXPECT_EQ(process->grid(5).at(5).timestep, 250.0);
  EXPECT_EQ(process->grid(5).at(2).timestep, 100.0);
}

TEST(FlowConfig, RefusesWhatItWouldComputeWrongly) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("shift": 3.0)", "shift = 3.0; it must be 1.0: a shifted schedule is not implemented"},
      {R"("shift": "large")", "it must be a finite number"},
      {R"("shift_terminal": 0.02)", "shift_terminal = 0.02; it must be null"},
      {R"("use_dynamic_shifting": true)", "use_dynamic_shifting = true; it must be false"},
      {R"("invert_sigmas": true)", "invert_sigmas = true; it must be false"},
      {R"("use_karras_sigmas": true)", "use_karras_sigmas = true; it must be false"},
      {R"("use_exponential_sigmas": true)", "use_exponential_sigmas = true; it must be false"},
      {R"("use_beta_sigmas": true)", "use_beta_sigmas = true; it must be false"},
      {R"("stochastic_sampling": true)", "stochastic_sampling = true; it must be false"},
      {R"("num_train_timesteps": 0)", "from 1 to"}};
  for (const auto& [entry, expected] : cases) {
    EXPECT_THAT(reading(entry), ThrowsMessage<DataError>(AllOf(HasSubstr(kFile), HasSubstr(expected)))) << entry;
  }
}

TEST(FlowConfig, UnknownKeyNamesTheNearest) {
  EXPECT_THAT(reading(R"("shfit": 1.0)"),
              ThrowsMessage<DataError>(AllOf(HasSubstr("a rectified flow has no key 'shfit'"), HasSubstr("did you mean 'shift'"))));
  EXPECT_THAT(reading(R"("beta_start": 0.1)"), ThrowsMessage<DataError>(HasSubstr("no key 'beta_start'")));
}

TEST(MakeProcess, NamesTheFlowThatAMisspeltClassIsNearTo) {
  EXPECT_THAT([] { make_process(parse_json(R"({"_class_name": "FlowMatchEulerDiscreteSheduler"})", kFile), kFile); },
              ThrowsMessage<DataError>(HasSubstr("did you mean 'FlowMatchEulerDiscreteScheduler'")));
}

}  // namespace
}  // namespace espalier::diffusion
