#include "plugins/shared/shapes/world.h"

#include <gmock/gmock.h>

#include <set>

#include "runtime/base/errors.h"

namespace espalier::shapes {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(ShapesWorld, SplitsEveryPromptOnce) {
  std::set<std::string> train, all;
  for (const Prompt& prompt : train_prompts()) train.insert(text(prompt));
  all = train;
  for (const Prompt& prompt : held_out_prompts()) all.insert(text(prompt));
  EXPECT_EQ(train.size(), 480U);
  EXPECT_EQ(all.size(), 5U * 4U * 3U * 3U * 4U);
  EXPECT_EQ(all.size(), train.size() + held_out_prompts().size());
}

// By `printf '%s' "<prompt>" | sha256sum`; these were taken with Python's hashlib.
TEST(ShapesWorld, OrdersPromptsByTheDigestOfTheirText) {
  EXPECT_EQ(text(train_prompts().front()), "a yellow square left of a purple circle");
  EXPECT_EQ(text(train_prompts().back()), "a yellow triangle below a blue circle");
  EXPECT_EQ(text(held_out_prompts().front()), "a red circle right of a green square");
  EXPECT_EQ(text(held_out_prompts().back()), "a green square right of a purple circle");
}

TEST(ShapesWorld, KeepsAPromptAndItsTwinInOneSplit) {
  std::set<std::string> train;
  for (const Prompt& prompt : train_prompts()) train.insert(text(prompt));
  for (const Prompt& prompt : train_prompts()) EXPECT_TRUE(train.contains(text(twin(prompt)))) << text(prompt);
  for (const Prompt& prompt : held_out_prompts()) EXPECT_FALSE(train.contains(text(twin(prompt)))) << text(prompt);
}

TEST(ShapesWorld, ATwinDescribesTheSameScene) {
  const Prompt prompt{{0, 2}, {Shape::circle, Shape::square}, Relation::above};
  EXPECT_EQ(text(prompt), "a red circle above a blue square");
  EXPECT_EQ(text(twin(prompt)), "a blue square below a red circle");
  for (const Prompt& each : held_out_prompts()) {
    EXPECT_FALSE(twin(each) == each);
    EXPECT_EQ(twin(twin(each)), each);
  }
}

TEST(ShapesWorld, EveryColouredShapeAndRelationIsTrainedOn) {
  std::set<std::string> seen;
  for (const Prompt& prompt : train_prompts()) {
    for (std::size_t i = 0; i < 2; ++i) {
      seen.insert(std::to_string(i) + std::to_string(prompt.colour[i]) + std::to_string(static_cast<int>(prompt.shape[i])) +
                  std::to_string(static_cast<int>(prompt.relation)));
    }
  }
  EXPECT_EQ(seen.size(), 2U * 5U * 3U * 4U);
}

TEST(ShapesWorld, MetadataGiveThePromptBack) {
  for (const Prompt& prompt : train_prompts()) EXPECT_EQ(prompt_of(metadata(prompt)), prompt);
}

TEST(ShapesWorld, RefusesMetadataOfAnotherWorld) {
  Value value = metadata(train_prompts().front());
  value["relation"] = "abov";
  EXPECT_THAT([&] { prompt_of(value); }, ThrowsMessage<DataError>(HasSubstr("did you mean 'above'?")));
  EXPECT_THROW(prompt_of(Value::Map{{"label", 3}}), DataError);
  value = metadata(train_prompts().front());
  value["colours"] = Value::List{"red"};
  EXPECT_THAT([&] { prompt_of(value); }, ThrowsMessage<DataError>(HasSubstr("has 1 entries")));
  value["colours"] = Value::List{"red", "red"};
  EXPECT_THAT([&] { prompt_of(value); }, ThrowsMessage<DataError>(HasSubstr("both red")));
}

}  // namespace
}  // namespace espalier::shapes
