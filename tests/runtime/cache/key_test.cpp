#include <gtest/gtest.h>

#include <set>

#include "runtime/base/errors.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

using testing::TempFolder;

// Every tree that differs from `value` in one leaf, one name, or one element.
std::vector<Value> perturbations(const Value& value) {
  std::vector<Value> out;
  if (value.is_bool()) return {!value.as_bool(), value.as_bool() ? 1 : 0};
  if (value.is_integer()) return {value.as_integer() + 1, -value.as_integer() - 1, static_cast<double>(value.as_integer())};
  if (value.is_float()) return {value.as_number() + 1e-9, -value.as_number(), std::to_string(value.as_number())};
  if (value.is_string()) return {value.as_string() + " ", value.as_string().substr(1), Value::List{value}};
  if (value.is_list()) {
    const auto& list = value.as_list();
    for (std::size_t i = 0; i < list.size(); ++i) {
      for (const auto& changed : perturbations(list[i])) {
        auto copy = list;
        copy[i] = changed;
        out.emplace_back(copy);
      }
    }
    auto shorter = list;
    shorter.pop_back();
    auto longer = list;
    longer.push_back(list.back());
    out.insert(out.end(), {Value(shorter), Value(longer)});
    return out;
  }
  for (const auto& [name, field] : value.as_map()) {
    for (const auto& changed : perturbations(field)) {
      auto copy = value.as_map();
      copy[name] = changed;
      out.emplace_back(copy);
    }
    auto without = value.as_map();
    without.erase(name);
    auto renamed = without;
    renamed[name + "_"] = field;
    out.insert(out.end(), {Value(without), Value(renamed)});
  }
  return out;
}

TEST(SetId, ChangesWithEveryFieldOfTheRecipe) {
  const TempFolder folder;
  const auto store = Store::open(folder / "cache");
  std::set<Hex> ids = {store->ensure_set(testing::recipe())};
  const auto changed = perturbations(testing::recipe());
  ASSERT_GT(changed.size(), 80u);
  for (const auto& recipe : changed) EXPECT_TRUE(ids.insert(store->ensure_set(recipe)).second) << to_json(recipe);
}

TEST(SetId, IsTheSameForTheSameRecipeReadBack) {
  const TempFolder folder;
  const auto id = Store::open(folder / "cache")->ensure_set(testing::recipe());
  const auto store = Store::open(folder / "cache");
  const auto recipe = store->recipe(id);
  ASSERT_TRUE(recipe);
  EXPECT_EQ(*recipe, testing::recipe());
  EXPECT_EQ(store->ensure_set(*recipe), id);
  EXPECT_EQ(store->requests("trajectories"), std::vector<Value>{testing::recipe()});
  EXPECT_FALSE(store->recipe(std::string(64, '0')));
}

// make_golden.py encodes the same recipe by the description in value_canonical.cpp, with Python's hashlib.
TEST(SetId, IsTheOneThatAnIndependentEncoderFinds) {
  EXPECT_EQ(digest(testing::recipe()), "6921e494327ad97eff00e729f0ecba9c548fea458478c1d33a3139c5448e1e9c");
}

TEST(Recipe, IsRefusedWhenItsFileHoldsAnotherRecipe) {
  const TempFolder folder;
  const auto store = Store::open(folder / "cache");
  const auto id = store->ensure_set(testing::recipe());
  const auto path = folder / "cache/sets" / id.substr(0, 2) / id / "recipe.json";
  auto text = testing::slurp(path);
  text.replace(text.find("480"), 3, "481");
  testing::overwrite(path, text);
  EXPECT_THROW(store->recipe(id), CacheError);
  EXPECT_EQ(store->verify(VerifyLevel::quick).size(), 1u);
  EXPECT_EQ(store->ensure_set(testing::recipe()), id);  // a process that has the recipe mends it
  EXPECT_EQ(*store->recipe(id), testing::recipe());
}

}  // namespace
}  // namespace espalier::cache
