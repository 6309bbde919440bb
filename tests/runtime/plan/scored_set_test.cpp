// Scores that are those of one set alone.
#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/plan/check_inputs.h"

namespace espalier::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Result samples(std::int64_t count = 8) {
  Result result;
  result.samples = "pool";
  result.set_id = "aaaaaaaaaaaaaaaa";
  result.decoder = "plain";
  result.count = count;
  return result;
}

Value identity(const Hex& set = "aaaaaaaaaaaaaaaa", const Value& decoder = "plain") {
  return Value::Map{{"scored_set", Value::Map{{"set", set}, {"decoder", digest(decoder)}, {"count", 8}}}};
}

TEST(ScoredSet, IsOnlyOfRewardsThatNameOne) {
  EXPECT_NO_THROW(check_scored_set(Value(), samples()));
  EXPECT_NO_THROW(check_scored_set("weights", samples()));
  EXPECT_NO_THROW(check_scored_set(identity(), samples()));
}

TEST(ScoredSet, ServesASmallerView) { EXPECT_NO_THROW(check_scored_set(identity(), samples(4))); }

TEST(ScoredSet, IsRefusedForOtherSamples) {
  EXPECT_THAT(
      [] { check_scored_set(identity("bbbbbbbbbbbbbbbb"), samples()); },
      ThrowsMessage<ConfigError>(HasSubstr("its scores are of the set bbbbbbbbbbbb, but the samples of 'pool' are the set aaaaaaaaaaaa")));
  EXPECT_THAT([] { check_scored_set(identity("aaaaaaaaaaaaaaaa", "other"), samples()); },
              ThrowsMessage<ConfigError>(HasSubstr("decoded differently")));
  EXPECT_THAT([] { check_scored_set(identity(), samples(16)); },
              ThrowsMessage<ConfigError>(HasSubstr("of the first 8 samples of 'pool', which are now 16")));
}

}  // namespace
}  // namespace espalier::plan
