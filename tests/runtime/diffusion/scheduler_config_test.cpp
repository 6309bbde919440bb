#include "runtime/diffusion/scheduler_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "runtime/diffusion/process.h"

namespace espalier::diffusion {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// As diffusers 0.42.1 saves Stable Diffusion 2's scheduler.
constexpr const char* kStableDiffusion2 = R"({"_class_name": "DDIMScheduler", "_diffusers_version": "0.42.1", "beta_end": 0.012,
  "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": false, "clip_sample_range": 1.0,
  "dynamic_thresholding_ratio": 0.995, "num_train_timesteps": 1000, "prediction_type": "v_prediction", "rescale_betas_zero_snr": false,
  "sample_max_value": 1.0, "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "thresholding": false, "trained_betas": null,
  "timestep_spacing": "leading"})";

auto reading(const std::string& json) {
  return [json] { make_process(parse_json(json, "model/scheduler/scheduler_config.json"), "model/scheduler/scheduler_config.json"); };
}

TEST(SchedulerConfig, ReadsWhatDiffusersWrites) {
  const auto config = read_scheduler_config(parse_json(kStableDiffusion2, "x"), "x");
  EXPECT_EQ(config.beta_schedule, BetaSchedule::scaled_linear);
  EXPECT_EQ(config.prediction, Prediction::v_prediction);
  EXPECT_EQ(config.beta_start, 0.00085);
  EXPECT_EQ(config.steps_offset, 1);
  EXPECT_FALSE(config.set_alpha_to_one);
  EXPECT_FALSE(config.clip_sample);
}

TEST(SchedulerConfig, WritesWhatReadsBackEqual) {
  const auto process = make_process(parse_json(kStableDiffusion2, "x"), "x");
  EXPECT_EQ(process->name(), "variance_preserving");
  EXPECT_EQ(make_process(process->config(), "x")->config(), process->config());
  EXPECT_EQ(process->config().at("_class_name").as_string(), "DDIMScheduler");
  EXPECT_EQ(process->config().at("prediction_type").as_string(), "v_prediction");
}

TEST(SchedulerConfig, LeftOutKeysHaveDiffusersDefaults) {
  const auto config = make_process(parse_json(R"({"_class_name": "DDPMScheduler", "variance_type": "fixed_small"})", "x"), "x")->config();
  const auto expected = parse_json(
      R"({"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
          "prediction_type": "epsilon", "steps_offset": 0, "set_alpha_to_one": true, "clip_sample": true, "clip_sample_range": 1.0})",
      "x");
  EXPECT_EQ(config, expected);
}

// As published, and as DDIMScheduler's own file.
constexpr const char* kStableDiffusion15 = R"("_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
  "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1,
  "trained_betas": null, "clip_sample": false})";

// Keys go by the process, whatever class of scheduler wrote the file.
TEST(SchedulerConfig, FilesOfEqualMeaningGiveEqualProcesses) {
  const auto config = [](const std::string& name) {
    return make_process(parse_json(R"({"_class_name": ")" + name + R"(", )" + kStableDiffusion15, "x"), "x")->config();
  };
  const auto ddim = config("DDIMScheduler");
  for (const auto& name : variance_preserving_schedulers()) EXPECT_EQ(config(name), ddim) << name;
  EXPECT_EQ(make_process(ddim, "x")->config(), ddim);
}

// Keys of the models whose results lie in caches: the table of a file that names all that matters, to the byte.
TEST(SchedulerConfig, TheTableOfDdimsFilesStaysAsItWas) {
  const auto process = make_process(parse_json(kStableDiffusion2, "x"), "x");
  EXPECT_EQ(to_json(process->config()),
            R"({"_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085, )"
            R"("clip_sample": false, "num_train_timesteps": 1000, "prediction_type": "v_prediction", "set_alpha_to_one": false, )"
            R"("steps_offset": 1, "timestep_spacing": "leading"})");
}

TEST(SchedulerConfig, LeftOutKeysHaveTheDefaultsOfTheFilesClass) {
  const auto config = [](const char* name) { return read_scheduler_config(Value::Map{{"_class_name", name}}, "x"); };
  EXPECT_EQ(config("LCMScheduler").beta_schedule, BetaSchedule::scaled_linear);
  EXPECT_EQ(config("LCMScheduler").beta_start, 0.00085);
  EXPECT_TRUE(config("DDIMScheduler").clip_sample);
  for (const char* name :
       {"PNDMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler", "LCMScheduler"}) {
    EXPECT_FALSE(config(name).clip_sample) << name;
    EXPECT_FALSE(config(name).spacing.has_value()) << name;
  }
}

TEST(SchedulerConfig, NotesWhatAPersonShouldKnow) {
  const auto notes = [](const std::string& keys) { return scheduler_notes(parse_json("{" + keys + "}", "x")); };
  EXPECT_THAT(notes(R"("_class_name": "PNDMScheduler", "skip_prk_steps": true)"),
              testing::ElementsAre(AllOf(HasSubstr("prediction_type is not named"), HasSubstr("epsilon, the default of PNDMScheduler"))));
  EXPECT_THAT(notes(R"("_class_name": "DPMSolverMultistepScheduler", "prediction_type": "epsilon", "use_karras_sigmas": true,
                       "algorithm_type": "sde-dpmsolver++", "solver_order": 2)"),
              testing::ElementsAre(AllOf(HasSubstr(R"(use_karras_sigmas = true, algorithm_type = "sde-dpmsolver++": how)"))));
  EXPECT_THAT(scheduler_notes(parse_json(kStableDiffusion2, "x")), testing::IsEmpty());
  EXPECT_THAT(notes(R"("_class_name": "FlowMatchEulerDiscreteScheduler")"), testing::IsEmpty());
}

TEST(SchedulerConfig, UnknownKeyNamesTheNearestAndTheFile) {
  EXPECT_THAT(reading(R"({"_class_name": "DDIMScheduler", "beta_sart": 0.1})"),
              ThrowsMessage<DataError>(AllOf(HasSubstr("model/scheduler/scheduler_config.json"), HasSubstr("'beta_sart'"),
                                             HasSubstr("did you mean 'beta_start'"))));
}

TEST(SchedulerConfig, RefusesWhatItWouldComputeWrongly) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("thresholding": true)", "thresholding = true; it must be false"},
      {R"("rescale_betas_zero_snr": true)", "rescale_betas_zero_snr = true; it must be false"},
      {R"("use_flow_sigmas": true)", "use_flow_sigmas = true; it must be false"},
      {R"("trained_betas": [0.1, 0.2])", "trained_betas = [0.1, 0.2]; it must be null"},
      {R"("variance_type": "learned_range")", R"(variance_type = "learned_range"; it must be a fixed one)"},
      {R"("beta_schedule": "sigmoid")", R"("sigmoid"; it must be linear, scaled_linear or squaredcos_cap_v2)"},
      {R"("prediction_type": "velocity")", R"("velocity"; it must be epsilon, v_prediction or sample)"},
      {R"("num_train_timesteps": 1000.0)", "it must be an integer from 1 to 1000000"},
      {R"("num_train_timesteps": 1000000000000)", "it must be an integer from 1 to 1000000"},
      {R"("num_train_timesteps": 0)", "from 1 to"},
      {R"("beta_start": 0.0)", "it must be a finite number > 0 and < 1"},
      {R"("beta_end": 1e-5)", "at least beta_start = 0.0001 and below 1"},
      {R"("clip_sample": 1)", "it must be true or false"},
      {R"("clip_sample_range": -1.0)", "> 0"},
      {R"("steps_offset": -1)", "from 0 to"}};
  for (const auto& [entry, expected] : cases) {
    EXPECT_THAT(reading(R"({"_class_name": "DDIMScheduler", )" + entry + "}"), ThrowsMessage<DataError>(HasSubstr(expected))) << entry;
  }
}

TEST(SchedulerConfig, RefusesAScheduleThatRunsOutOfFloat32) {
  EXPECT_THAT(reading(R"({"_class_name": "DDIMScheduler", "beta_start": 0.9, "beta_end": 0.9})"),
              ThrowsMessage<DataError>(HasSubstr("alpha_bar does not fall")));
}

TEST(MakeProcess, RefusesAnUnknownProcess) {
  EXPECT_THAT(reading(R"({"_class_name": "DDIMSheduler"})"), ThrowsMessage<DataError>(HasSubstr("did you mean 'DDIMScheduler'")));
  EXPECT_THAT(reading(R"({"beta_end": 0.02})"), ThrowsMessage<DataError>(HasSubstr("neither '_class_name'")));
}

}  // namespace
}  // namespace espalier::diffusion
