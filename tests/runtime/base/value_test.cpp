#include "runtime/base/value.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"

namespace espalier {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Map = Value::Map;
using List = Value::List;

Value recipe() {
  return Map{{"seed", 7}, {"eta", 1.0},    {"steps", List{1, 1.0, 0.25}}, {"name", "é\"\n"}, {"nested", Map{{"on", true}, {"off", false}}},
             {"neg", -3}, {"empty", Map{}}};
}

TEST(Value, AWrongTypeIsRefusedByName) {
  EXPECT_THAT([] { Value("seven").as_integer(); }, ThrowsMessage<DataError>(AllOf(HasSubstr("integer"), HasSubstr("string \"seven\""))));
  EXPECT_THAT([] { Value(1.5).as_integer(); }, ThrowsMessage<DataError>(HasSubstr("float 1.5")));
  EXPECT_THAT([] { Value(1).as_map(); }, ThrowsMessage<DataError>(HasSubstr("table")));
  EXPECT_THAT([] { recipe().at("sed"); }, ThrowsMessage<DataError>(AllOf(HasSubstr("'sed'"), HasSubstr("seed"))));
  EXPECT_THROW(Value(std::uint64_t{1} << 63), InternalError);
}

TEST(Value, AnIntegerIsANumberAndAFloatNoInteger) {
  EXPECT_EQ(Value(3).as_number(), 3.0);
  EXPECT_NE(Value(1), Value(1.0));
  EXPECT_TRUE(std::isnan(Value("nan").as_number()));
  EXPECT_EQ(Value("-inf").as_number(), -std::numeric_limits<double>::infinity());
}

TEST(Json, KeepsTypesAndSortsKeys) {
  const std::string text = to_json(recipe());
  EXPECT_EQ(text, R"({"empty": {}, "eta": 1.0, "name": "é\"\n", "neg": -3, "nested": {"off": false, "on": true}, "seed": 7, )"
                  R"("steps": [1, 1.0, 0.25]})");
  EXPECT_EQ(parse_json(text, "x"), recipe());
  EXPECT_EQ(parse_json(to_json(recipe(), 2), "x"), recipe());
}

TEST(Json, KeepsNull) {
  EXPECT_EQ(to_json(parse_json("[null]", "x")), "[null]");
  EXPECT_TRUE(parse_json("null", "x").is_null());
  EXPECT_STREQ(Value(nullptr).type_name(), "null");
}

TEST(Json, FloatsReadBackWithTheSameBits) {
  for (const double x : {0.1, 1e300, 5e-324, 1.0 / 3.0, -0.0, 123456789012345680.0, 1e22}) {
    const auto back = parse_json(to_json(Value(x)), "x");
    ASSERT_TRUE(back.is_float()) << to_json(Value(x));
    EXPECT_EQ(canonical_bytes(back), canonical_bytes(Value(x)));
  }
  EXPECT_EQ(to_json(Value(List{std::nan(""), -std::numeric_limits<double>::infinity()})), R"(["nan", "-inf"])");
}

TEST(Json, RefusesWhatItCannotKeep) {
  const auto parse = [](std::string text) { return [text] { parse_json(text, "a.json"); }; };
  EXPECT_THAT(parse("{\"a\": 1"), ThrowsMessage<DataError>(AllOf(HasSubstr("a.json"), HasSubstr("byte"))));
  EXPECT_THAT(parse("{\"a\": 1, \"a\": 2}"), ThrowsMessage<DataError>(HasSubstr("'a' is given twice")));
  EXPECT_THAT(parse("9223372036854775808"), ThrowsMessage<DataError>(HasSubstr("9223372036854775808")));
  EXPECT_THAT(parse("123456789012345678901234567890"), ThrowsMessage<DataError>(HasSubstr("does not fit")));
  EXPECT_THAT(parse(std::string(65, '[') + std::string(65, ']')), ThrowsMessage<DataError>(HasSubstr("64 levels")));
  EXPECT_THAT(parse("1 2"), ThrowsMessage<DataError>(HasSubstr("a.json")));
  EXPECT_NO_THROW(parse_json(std::string(64, '[') + std::string(64, ']'), "x"));
  EXPECT_THAT([] { to_json(Value("\xff")); }, ThrowsMessage<DataError>(HasSubstr("UTF-8")));
}

TEST(CanonicalBytes, AgreeWithAnIndependentEncoder) {
  // Python: struct.pack and hashlib over the grammar in value_canonical.cpp.
  EXPECT_EQ(digest(recipe()), "52fff5b44e312e17bdb595e0e5159405918f6b3f27f6d628eb9e1a9c8d03b4d0");
}

TEST(CanonicalBytes, AreEqualOnlyForEqualValues) {
  const std::vector<Value> values = {
      1,  1.0, "1", true, List{}, Map{},          List{1},        List{List{1}}, Map{{"a", 1}}, Map{{"a", Map{}}},
      "", 0,   0.0, -0.0, false,  List{"a", "b"}, List{"ab", ""}, std::nan(""),  nullptr,       "null"};
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(canonical_bytes(values[i]), canonical_bytes(values[j])) << i << " " << j;
  }
  EXPECT_EQ(canonical_bytes(Value(std::nan("1"))), canonical_bytes(Value(-std::nan("2"))));
}

TEST(Differences, NameEachFieldThatDiffers) {
  auto after = recipe();
  after["eta"] = 1;
  after["nested"]["on"] = Map{};
  after["added"] = "x";
  after["steps"] = List{1, 2.0};
  std::vector<std::string> lines;
  for (const auto& d : differences(recipe(), after)) lines.push_back(d.path + ": " + d.before + " -> " + d.after);
  EXPECT_THAT(lines, testing::ElementsAre("added:  -> \"x\"", "eta: 1.0 -> 1", "nested.on: true -> {}", "steps.1: 1.0 -> 2.0",
                                          "steps.2: 0.25 -> "));
  EXPECT_TRUE(differences(recipe(), recipe()).empty());
}

}  // namespace
}  // namespace espalier
