#include "runtime/plugin/catalog.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"

namespace espalier::plugin {
namespace {

class Nothing final : public Metric {
  Findings measure(const MetricInput&) const override { return {}; }
};

PluginEntry entry(const std::string& kind, const std::string& name, const std::string& library) {
  PluginEntry made;
  made.kind = kind;
  made.name = name;
  made.library = library;
  made.make = [] { return std::make_unique<Nothing>(); };
  return made;
}

std::string refusal(Catalog& catalog, const std::vector<PluginEntry>& entries) {
  try {
    catalog.add(entries);
    return "";
  } catch (const PluginError& error) {
    return error.what();
  }
}

TEST(Catalog, FindsByKindAndNameAndSortsTypes) {
  Catalog catalog;
  catalog.add({entry("reward", "b", "one.so"), entry("filter", "b", "one.so"), entry("domain", "a", "one.so")});
  ASSERT_NE(catalog.find("filter", "b"), nullptr);
  EXPECT_EQ(catalog.find("filter", "b")->kind, "filter");
  EXPECT_EQ(catalog.find("filter", "a"), nullptr);
  EXPECT_THAT(catalog.types(), ::testing::ElementsAre("domain.a", "filter.b", "reward.b"));
}

TEST(Catalog, RefusesAllOfAName) {
  Catalog catalog;
  catalog.add({entry("reward", "a", "one.so")});
  catalog.add({entry("reward", "b", "two.so"), entry("reward", "a", "two.so")});
  catalog.add({entry("reward", "a", "three.so")});
  EXPECT_THAT(catalog.types(), ::testing::ElementsAre("reward.b"));
  ASSERT_EQ(catalog.refusals().size(), 2U);
  EXPECT_EQ(catalog.refusals()[0].reason, "reward.a is registered twice: by one.so and by two.so; remove one of the two");
  EXPECT_EQ(catalog.refusals()[1].reason, "reward.a is registered twice: by two.so and by three.so; remove one of the two");
}

TEST(Catalog, NamesThePluginWhoseConstructorThrows) {
  auto broken = entry("reward", "a", "one.so");
  broken.make = []() -> std::unique_ptr<Plugin> { throw std::out_of_range("map::at"); };
  try {
    make(broken);
    FAIL() << "nothing was thrown";
  } catch (const PluginError& error) {
    EXPECT_STREQ(error.what(), "reward.a (one.so): its constructor failed: std::out_of_range: map::at");
  }
}

TEST(Catalog, RefusesUnknownKindsAndOddNames) {
  Catalog catalog;
  EXPECT_EQ(refusal(catalog, {entry("rewards", "a", "x.so")}), "x.so: registers a plugin of the unknown kind 'rewards'");
  EXPECT_EQ(refusal(catalog, {entry("reward", "A.b", "x.so")}),
            "x.so: registers a reward with the name 'A.b'; a name has small letters, digits and '_'");
  EXPECT_EQ(refusal(catalog, {entry("reward", "", "x.so")}),
            "x.so: registers a reward with the name ''; a name has small letters, digits and '_'");
}

}  // namespace
}  // namespace espalier::plugin
