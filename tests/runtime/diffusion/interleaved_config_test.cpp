#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/errors.h"
#include "runtime/diffusion/interleaved.h"

namespace espalier::diffusion {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kFile = "model/scheduler/scheduler_config.json";

std::shared_ptr<const NoiseProcess> read(const std::string& entries) {
  return make_process(parse_json(R"({"_class_name": "InterleavedScheduler", )" + entries + "}", kFile), kFile);
}
auto reading(const std::string& entries) {
  return [=] { read(entries); };
}
constexpr const char* kSmall = R"("num_elements": 4, "num_classes": 3)";

TEST(InterleavedConfig, ReadsWhatItWrites) {
  const auto process = read(R"("num_elements": 29, "num_classes": 5, "num_rounds": 40, "order": "round_robin", "token_reversal": "gibbs",
                              "beta_schedule": "scaled_linear", "beta_start": 0.01, "beta_end": 0.3, "_diffusers_version": "none")");
  EXPECT_EQ(process->name(), "interleaved");
  const auto& options = dynamic_cast<const Interleaved&>(*process).options();
  EXPECT_EQ(options.num_elements, 29);
  EXPECT_EQ(options.num_classes, 5);
  EXPECT_EQ(options.token_reversal, TokenReversal::gibbs);
  EXPECT_EQ(options.beta_schedule, BetaSchedule::scaled_linear);
  EXPECT_EQ(options.beta_end, 0.3);
  EXPECT_EQ(make_process(process->config(), kFile)->config(), process->config());
  EXPECT_EQ(dynamic_cast<const Interleaved&>(*process).num_steps(), 2 * 29 * 40);
}

TEST(InterleavedConfig, EveryOptionEntersItsTable) {
  const auto plain = read(kSmall)->config();
  for (const char* entry : {R"("num_rounds": 7)", R"("order": "joint")", R"("token_reversal": "gibbs")", R"("beta_schedule": "linear")",
                            R"("beta_start": 0.01)", R"("beta_end": 0.5)"}) {
    EXPECT_NE(read(std::string(kSmall) + ", " + entry)->config(), plain) << entry;
  }
  EXPECT_NE(read(R"("num_elements": 5, "num_classes": 3)")->config(), plain);
  EXPECT_NE(read(R"("num_elements": 4, "num_classes": 4)")->config(), plain);
}

TEST(InterleavedConfig, AJointOrderHasAStepARound) {
  const auto process = read(std::string(kSmall) + R"(, "num_rounds": 7, "order": "joint")");
  EXPECT_EQ(process->grid(7).num_steps(), 7);
  EXPECT_EQ(make_process(Value(Value::Map{{"name", "interleaved"}, {"num_elements", 4}, {"num_classes", 3}}), kFile)->config(),
            read(kSmall)->config());
}

TEST(InterleavedConfig, RefusesWhatItCannotBe) {
  const std::string small = std::string(kSmall) + ", ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("num_classes": 3)", "num_elements is missing"},
      {R"("num_elements": 3)", "num_classes is missing"},
      {R"("num_elements": 0, "num_classes": 3)", "from 1 to"},
      {R"("num_elements": 4, "num_classes": 1)", "from 2 to"},
      {R"("num_elements": 4.5, "num_classes": 2)", "it must be an integer"},
      {small + R"("num_rounds": 0)", "from 1 to 1000000"},
      {R"("num_elements": 1000000000000, "num_classes": 2)", "from 1 to 65536"},
      {small + R"("order": "robin")", "it must be round_robin or joint"},
      {small + R"("token_reversal": "gibs")", "did you mean 'gibbs'"},
      {small + R"("order": "joint", "token_reversal": "gibbs")", "draws a token given the others"},
      {small + R"("beta_start": 0.0)", "> 0 and < 1"},
      {small + R"("beta_start": 0.5, "beta_end": 0.4)", "at least beta_start = 0.5"},
      {small + R"("num_round": 5)", "an interleaved process has no key 'num_round'; did you mean 'num_rounds'"},
      {small + R"("prediction_type": "epsilon")", "no key 'prediction_type'"}};
  for (const auto& [entry, expected] : cases) {
    EXPECT_THAT(reading(entry), ThrowsMessage<DataError>(AllOf(HasSubstr(kFile), HasSubstr(expected)))) << entry;
  }
}

TEST(InterleavedConfig, AMisspeltProcessNamesTheNearest) {
  EXPECT_THAT([] { make_process(parse_json(R"({"_class_name": "InterleavdScheduler"})", kFile), kFile); },
              ThrowsMessage<DataError>(HasSubstr("did you mean 'InterleavedScheduler'")));
}

}  // namespace
}  // namespace espalier::diffusion
