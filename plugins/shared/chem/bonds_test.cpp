#include "plugins/shared/chem/bonds.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <limits>

#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/test_atoms.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// The rule as the data's own file words it, from that file's figures.
int published_order(const nlohmann::json& tables, const std::string& a, const std::string& b, double picometres) {
  const auto within = [&](const char* kind) {
    const auto& table = tables.at(kind);
    return table.contains(a) && table.at(a).contains(b) &&
           picometres < table.at(a).at(b).get<double>() + tables.at("margins").at(kind).get<double>();
  };
  if (!within("single")) return 0;
  if (!within("double")) return 1;
  return within("triple") ? 3 : 2;
}

TEST(Bonds, AreThoseOfThePublishedTables) {
  const nlohmann::json tables = testing::data_json("edm_bond_tables/edm_bond_tables.json");
  if (tables.is_null()) GTEST_SKIP() << "ESPALIER_DATA names no folder with edm_bond_tables";
  for (const int a : kElements) {
    for (const int b : kElements) {
      for (int quarter = 0; quarter < 1000; ++quarter) {
        const double picometres = 0.25 * quarter;
        const double distance = picometres / 100.0;
        const int expected = published_order(tables, std::string(element_symbol(a)), std::string(element_symbol(b)), 100.0 * distance);
        ASSERT_EQ(bond_order(a, b, distance), expected) << a << " " << b << " at " << picometres << " pm";
      }
    }
  }
}

TEST(Bonds, ChangeAtTheLengthPlusItsMargin) {
  EXPECT_EQ(bond_order(6, 6, 1.6401), 0);
  EXPECT_EQ(bond_order(6, 6, 1.6399), 1);
  EXPECT_EQ(bond_order(6, 6, 1.3899), 2);
  EXPECT_EQ(bond_order(6, 6, 1.2299), 3);
  EXPECT_EQ(bond_order(6, 8, 1.1599), 3);
  EXPECT_EQ(bond_order(8, 8, 1.1), 2);  // no triple bond is listed
  EXPECT_EQ(bond_order(1, 6, 0.1), 1);
  EXPECT_EQ(bond_order(6, 6, std::numeric_limits<double>::quiet_NaN()), 0);
  EXPECT_THAT([] { bond_order(6, 17, 1.7); }, ThrowsMessage<DataError>(HasSubstr("17")));
}

TEST(Bonds, LeavePieces) {
  const Atoms two = testing::beside(testing::methane(), testing::water(), 5.0);
  EXPECT_EQ(find_bonds(two).size(), 6U);
  EXPECT_EQ(count_fragments(8, find_bonds(two)), 2);
  EXPECT_EQ(count_fragments(3, {}), 3);
  EXPECT_EQ(count_fragments(0, {}), 0);
}

TEST(Stability, IsTheSumOfOrdersEqualToTheValence) {
  const Stability methane = measure_stability(testing::methane()), radical = measure_stability(testing::methane(3));
  EXPECT_TRUE(methane.molecule_stable);
  EXPECT_EQ(methane.stable_atoms, 5);
  EXPECT_FALSE(radical.molecule_stable);
  EXPECT_EQ(radical.stable_atoms, 3);
  EXPECT_EQ(radical.atoms, 4);
  EXPECT_FALSE(measure_stability(Atoms{}).molecule_stable);
  EXPECT_TRUE(measure_stability(testing::beside(testing::methane(), testing::water(), 5.0)).molecule_stable);
}

TEST(Stability, OfARowLeavesAbsentAtomsOut) {
  const std::vector<std::int64_t> numbers = {0, 8, 1, 0, 1, 0};
  const std::vector<float> positions = {0, 0, 0, 0, 0, 0.1173F, 0, 0.7572F, -0.4692F, 0, 0, 0.2F, 0, -0.7572F, -0.4692F, 0, 0, 0};
  const Stability water = measure_stability(numbers, positions);
  EXPECT_EQ(water.atoms, 3);
  EXPECT_TRUE(water.molecule_stable);
  EXPECT_EQ(read_graph(numbers, positions).smiles, "O");
  EXPECT_THROW(measure_stability(numbers, std::span(positions).first(17)), InternalError);
}

TEST(Stability, OfReferenceGeometriesIsComplete) {
  const auto molecules = testing::qm9_first20();
  if (molecules.empty()) GTEST_SKIP() << "ESPALIER_DATA names no folder with qm9_3d_mini";
  ASSERT_EQ(molecules.size(), 20U);
  for (const Atoms& atoms : molecules) {
    const Stability stability = measure_stability(atoms);
    EXPECT_TRUE(stability.molecule_stable);
    EXPECT_EQ(stability.stable_atoms, stability.atoms);
  }
}

TEST(Stability, JudgesAtLeast5000MoleculesOf20AtomsASecond) {
  std::mt19937 random(3);
  std::vector<std::int64_t> numbers;
  std::vector<float> positions;
  for (int copy = 0; copy < 4; ++copy) {
    for (const auto& [atomic_number, position] = testing::methane(); const int number : atomic_number) numbers.push_back(number);
    for (const auto& p : testing::shaken(testing::methane(), 0.05, random).position) {
      positions.insert(positions.end(), {static_cast<float>(p[0] + 2.0 * copy), static_cast<float>(p[1]), static_cast<float>(p[2])});
    }
  }
  ASSERT_EQ(numbers.size(), 20U);
  constexpr int kTimes = 20000;
  int stable = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) {
    positions[0] += 1e-6F;  // so that no call is like another
    stable += measure_stability(numbers, positions).stable_atoms;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_GT(stable, 0);
  EXPECT_GT(kTimes / seconds, 5000.0);
  RecordProperty("molecules_a_second", fmt::format("{:.0f}", kTimes / seconds));
}

}  // namespace
}  // namespace espalier::chem
