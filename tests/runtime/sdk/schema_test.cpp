#include "runtime/sdk/schema.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "runtime/base/errors.h"

namespace espalier {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Map = Value::Map;
using List = Value::List;

struct Options {
  std::int64_t k = 1;
  double scale = 2.0;
  bool shared = false;
  std::string mode = "clean";
  std::string path;
  Step step;
  std::vector<Step> steps{Step(0.25)};
  std::vector<double> levels{0.5};
  std::vector<std::string> names;
  Schema schema;

  Options() {
    schema.integer("k", k, "How many are kept.").at_least(1).at_most(100);
    schema.number("scale", scale, "Radius, in angstrom.").above(0);
    schema.flag("shared", shared, "One for all.");
    schema.choice("mode", mode, {"clean", "forward", "both"}, "Which loss.");
    schema.path("weights", path, "A safetensors file.").required();
    schema.step("intermediate_step", step, "Where training starts.");
    schema.steps("record_steps", steps, "More states to keep.").view();
    schema.numbers("levels", levels, "Levels.").at_least(0).below(1);
    schema.strings("names", names, "Names.").operational();
  }

  std::vector<std::string> problems(Map table) {
    table.try_emplace("weights", "w");
    std::vector<std::string> out;
    for (const auto& problem : schema.read(Value(table))) out.push_back(problem.option + ": " + problem.message);
    return out;
  }
};

TEST(Schema, SetsWhatIsGivenAndKeepsTheRest) {
  Options o;
  EXPECT_THAT(o.problems({{"k", 3},
                          {"scale", 4},
                          {"mode", "forward"},
                          {"intermediate_step", 0.25},
                          {"record_steps", List{1, 1.0}},
                          {"levels", List{0, 0.5}},
                          {"names", List{"a", "b"}}}),
              ElementsAre());
  EXPECT_EQ(o.k, 3);
  EXPECT_EQ(o.scale, 4.0);  // an integer where a number is meant
  EXPECT_EQ(o.mode, "forward");
  EXPECT_EQ(o.step, Step(0.25));
  EXPECT_THAT(o.steps, ElementsAre(Step(std::int64_t{1}), Step(1.0)));
  EXPECT_THAT(o.levels, ElementsAre(0.0, 0.5));
  EXPECT_THAT(o.names, ElementsAre("a", "b"));
  EXPECT_FALSE(o.shared);
}

TEST(Schema, ReportsEveryProblemAtOnceAndKeepsThoseDefaults) {
  Options o;
  EXPECT_THAT(
      o.problems(
          {{"k", 0}, {"scale", "wide"}, {"mode", "foward"}, {"record_steps", List{2.5}}, {"levels", List{0.5, 1.0}}, {"scael", 1.0}}),
      ElementsAre("k: takes the option 'k' 1 to 100; found the integer 0",
                  "scale: takes the option 'scale' as a number; found the string \"wide\"",
                  "mode: takes the option 'mode' as clean, forward or both; found the string \"foward\"; did you mean 'forward'?",
                  "record_steps: takes the option 'record_steps' as a list; each element is an index from 0 (an integer) or a "
                  "fraction from 0.0 to 1.0 (a float); found the float 2.5",
                  "levels: takes the option 'levels' >= 0 and < 1; found the list [0.5, 1.0]",
                  "scael: has no option 'scael'; did you mean 'scale'?"));
  EXPECT_EQ(o.k, 1);
  EXPECT_EQ(o.scale, 2.0);
  EXPECT_EQ(o.mode, "clean");
  EXPECT_THAT(o.steps, ElementsAre(Step(0.25)));
  EXPECT_THAT(o.levels, ElementsAre(0.5));
}

TEST(Schema, RefusesFloatsForIntegersAndNaN) {
  Options o;
  EXPECT_THAT(o.problems({{"k", 2.0}}), ElementsAre(HasSubstr("an integer; found the float 2.0")));
  EXPECT_THAT(o.problems({{"scale", std::nan("")}}), ElementsAre(HasSubstr("nan")));
  EXPECT_THAT(o.problems({{"shared", 1}}), ElementsAre(HasSubstr("true or false")));
  EXPECT_THAT(o.problems({{"scale", 0.0}}), ElementsAre(HasSubstr("> 0")));
}

TEST(Schema, RefusesInfinitiesWhereNoneIsDeclared) {
  const double inf = std::numeric_limits<double>::infinity();
  Options o;
  EXPECT_THAT(o.problems({{"scale", inf}}), ElementsAre("scale: takes the option 'scale' as a finite number; found the float \"inf\""));
  EXPECT_THAT(o.problems({{"scale", -inf}}), ElementsAre(HasSubstr("a finite number; found the float \"-inf\"")));
  EXPECT_THAT(o.problems({{"levels", List{0.5, inf}}}), ElementsAre(HasSubstr("finite numbers; found the list [0.5, \"inf\"]")));
  EXPECT_THAT(o.problems({{"k", inf}}), ElementsAre(HasSubstr("'k' 1 to 100")));
  EXPECT_EQ(o.scale, 2.0);
}

TEST(Schema, AnInfinityThatIsDeclaredKeepsItsBoundsAndItsKey) {
  const double inf = std::numeric_limits<double>::infinity();
  double norm = 1.0;
  std::vector<double> levels;
  Schema schema;
  schema.number("norm", norm, "The largest norm.").at_least(0).may_be_infinite();
  schema.numbers("levels", levels, "Levels.").may_be_infinite();
  EXPECT_EQ(schema.infos()[0].bounds, ">= 0, inf too");
  EXPECT_EQ(schema.infos()[1].bounds, "inf too");
  EXPECT_EQ(schema.read(Value(Map{{"norm", -inf}})).size(), 1u);
  EXPECT_TRUE(schema.read(Value(Map{{"norm", inf}, {"levels", List{1.0, -inf}}})).empty());
  EXPECT_EQ(norm, inf);
  const auto keyed = schema.values(OptionRole::keyed);
  EXPECT_EQ(canonical_bytes(parse_json(to_json(keyed), "the key")), canonical_bytes(keyed)) << "a key is read back as it was";
  EXPECT_EQ(keyed.at("norm").as_number(), inf);
}

TEST(Schema, ATextThatIsLeftOutIsNotTheEmptyOne) {
  std::optional<std::string> prompt;
  Schema schema;
  schema.text("negative_prompt", prompt, "What guidance leads away from.").unkeyed_default();
  EXPECT_TRUE(schema.infos()[0].default_value.is_null());
  EXPECT_EQ(schema.values(OptionRole::keyed), Value(Map{}));
  EXPECT_TRUE(schema.read(Value(Map{{"negative_prompt", ""}})).empty());
  EXPECT_EQ(prompt, "");
  EXPECT_EQ(schema.values(OptionRole::keyed), Value(Map{{"negative_prompt", ""}}));
  EXPECT_EQ(schema.read(Value(Map{{"negative_prompt", 3}})).size(), 1u);
  EXPECT_EQ(prompt, "") << "a member with a problem stays";
}

TEST(Schema, AMissingRequiredOptionIsReported) {
  Options o;
  const auto problems = o.schema.read(Value());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].message, "needs the option 'weights' (path): A safetensors file.");
}

TEST(Schema, DescribesWhatItDeclares) {
  Options o;
  o.k = 7;
  const auto infos = o.schema.infos();
  ASSERT_EQ(infos.size(), 9u);
  EXPECT_EQ(infos[0].bounds, "1 to 100");
  EXPECT_EQ(infos[0].default_value, Value(1)) << "the default is what the member held when it was declared";
  EXPECT_EQ(infos[1].bounds, "> 0");
  EXPECT_EQ(infos[3].bounds, "clean, forward or both");
  EXPECT_TRUE(infos[4].required);
  EXPECT_EQ(infos[6].default_value, Value(List{0.25}));
}

TEST(Schema, SeparatesRoles) {
  Options o;
  o.problems({{"k", 3}});
  EXPECT_EQ(o.schema.values(OptionRole::view), Value(Map{{"record_steps", List{0.25}}}));
  EXPECT_EQ(o.schema.values(OptionRole::operational), Value(Map{{"names", List{}}}));
  const auto keyed = o.schema.values(OptionRole::keyed);
  EXPECT_EQ(keyed.at("k"), Value(3));
  EXPECT_EQ(keyed.at("intermediate_step"), Value(0)) << "a step keeps its type";
  EXPECT_EQ(keyed.as_map().size(), 7u);
}

TEST(Schema, LeavesAnOptionThatCameLaterOutAtItsDefault) {
  std::int64_t before = 4, added = 1;
  Schema schema;
  schema.integer("before", before, "Was always there.");
  schema.integer("added", added, "Came later.").at_least(1).unkeyed_default();
  const auto keyed = [&](Map options) {
    EXPECT_TRUE(schema.read(Value(std::move(options))).empty());
    return schema.values(OptionRole::keyed);
  };
  EXPECT_EQ(keyed({}), Value(Map{{"before", 4}}));
  EXPECT_EQ(keyed({{"added", 1}}), Value(Map{{"before", 4}})) << "the default, written out";
  EXPECT_EQ(keyed({{"added", 2}}), Value(Map{{"before", 4}, {"added", 2}}));
}

TEST(Schema, AValueThatMeansTheDefaultIsLeftOutOfTheKeyToo) {
  std::int64_t rank = 4;
  double alpha = 0;
  Schema schema;
  schema.number("alpha", alpha, "0: the rank.").unkeyed_default([&] { return alpha == static_cast<double>(rank); });
  schema.integer("rank", rank, "Declared after it.");
  const auto keyed = [&](Map options) {
    EXPECT_TRUE(schema.read(Value(std::move(options))).empty());
    return schema.values(OptionRole::keyed);
  };
  EXPECT_EQ(keyed({{"alpha", 8.0}}), Value(Map{{"rank", 4}, {"alpha", 8.0}}));
  EXPECT_EQ(keyed({{"alpha", 8.0}, {"rank", 8}}), Value(Map{{"rank", 8}}));
  EXPECT_EQ(keyed({{"alpha", 0.0}, {"rank", 8}}), Value(Map{{"rank", 8}}));
  EXPECT_FALSE(schema.infos()[0].keyed_at_default);
}

TEST(Schema, RefusesDeclarationsThatMakeNoSense) {
  std::int64_t a = 0;
  std::string text;
  Schema schema;
  schema.integer("a", a, "First.");
  EXPECT_THROW(schema.integer("a", a, "Again."), InternalError);
  EXPECT_THROW(schema.text("b", text, "Text.").above(0), InternalError);
}

}  // namespace
}  // namespace espalier
