#include <gmock/gmock.h>

#include <limits>

#include "plugins/shared/chem/test_atoms.h"
#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem_io/drawing.h"
#include "plugins/shared/chem_io/principal_axes.h"
#include "plugins/shared/chem_io/writers.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Writers, KeepARecordInItsShape) {
  EXPECT_THAT(to_xyz(testing::water(), "a\nb"), StartsWith("3\na b\nO    0.00000000    0.00000000    0.11730000\nH "));
  EXPECT_THAT(to_sdf(testing::water(), "water"), StartsWith("water\n  espalier          3D\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n"
                                                            "    0.0000    0.0000    0.1173 O   0  0"));
  EXPECT_THAT(to_sdf(testing::water()), HasSubstr("\n  1  2  1  0\n  1  3  1  0\nM  END\n$$$$\n"));
  EXPECT_THROW(to_sdf({{6}, {{1e5, 0, 0}}}), DataError);
  EXPECT_THROW(to_sdf({{6}, {{std::numeric_limits<double>::quiet_NaN(), 0, 0}}}), DataError);
  EXPECT_THROW(to_xyz({{17}, {{0, 0, 0}}}), DataError);
}

constexpr const char* kScript = R"(
import sys
from rdkit import Chem
for block in sys.stdin.read().split('$$$$\n'):
    if block.strip():
        mol = Chem.MolFromMolBlock(block)
        print(Chem.MolToSmiles(mol), mol.GetProp('_Name'))
)";

TEST(Writers, AreReadByRdkitsPython) {
  if (!testing::RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  std::string text = to_sdf(testing::water(), "w") + to_sdf(testing::methane(), "m");
  text.pop_back();  // lines() adds the last line end
  EXPECT_THAT(testing::RdkitPython().lines(kScript, {text}), ::testing::ElementsAre("O w", "C m"));
}

TEST(Axes, TurnALongMoleculeAlongX) {
  const Atoms line{{6, 6, 8}, {{0, 0, 0}, {1, 2, 2}, {2, 4, 4}}};
  const auto turned = align_to_axes(line);
  EXPECT_NEAR(std::abs(turned[2][0] - turned[0][0]), 6.0, 1e-9);
  for (const auto& p : turned) {
    EXPECT_NEAR(p[1], 0.0, 1e-9);
    EXPECT_NEAR(p[2], 0.0, 1e-9);
  }
  // A rotation: distances and handedness stay.
  const Atoms corner{{6, 1, 7, 8}, {{0, 0, 0}, {1, 0, 0}, {0, 2, 0}, {0, 0, 3}}};
  const auto p = align_to_axes(corner);
  const auto edge = [&](std::size_t i, std::size_t k) { return p[i][k] - p[0][k]; };
  const double volume = edge(1, 0) * (edge(2, 1) * edge(3, 2) - edge(2, 2) * edge(3, 1)) -
                        edge(1, 1) * (edge(2, 0) * edge(3, 2) - edge(2, 2) * edge(3, 0)) +
                        edge(1, 2) * (edge(2, 0) * edge(3, 1) - edge(2, 1) * edge(3, 0));
  EXPECT_NEAR(volume, 6.0, 1e-9);
}

// Shares of an image's pixels whose colour is near red, grey or white.
struct Shares {
  double red = 0, white = 0;
};
Shares shares(const Image& image) {
  Shares found;
  const double pixel = 3.0 / static_cast<double>(image.rgb.size());
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    const int r = image.rgb[i], g = image.rgb[i + 1], b = image.rgb[i + 2];
    if (r > g + 50 && r > b + 50) found.red += pixel;
    if (r == 255 && g == 255 && b == 255) found.white += pixel;
  }
  return found;
}

TEST(Drawing, ShowsBallsWhereAtomsAre) {
  const Image image = draw_molecule(testing::water(), 96);
  EXPECT_EQ(image.width, 96);
  EXPECT_EQ(image.rgb.size(), 3U * 96U * 96U);
  const Shares water = shares(image), methane = shares(draw_molecule(testing::methane(), 96));
  EXPECT_NEAR(water.red, 3.14159 * 0.37 * 0.37 / 16.0, 0.01);  // the oxygen's disc in a view of 4 x 4 angstrom
  EXPECT_EQ(methane.red, 0.0);
  EXPECT_GT(water.white, 0.8);
  EXPECT_LT(water.white, 0.97);
  EXPECT_EQ(draw_molecule(testing::water(), 96).rgb, image.rgb);
}

TEST(Drawing, OfWhatCannotBeDrawnIsWhite) {
  for (const Atoms& atoms :
       {Atoms{}, Atoms{{6}, {{std::numeric_limits<double>::infinity(), 0, 0}}}, Atoms{{6}, {{1e300, 0, 0}}}, Atoms{{92}, {{0, 0, 0}}}}) {
    EXPECT_EQ(draw_molecule(atoms, 24).rgb, std::vector<std::uint8_t>(3 * 24 * 24, 255));
  }
  EXPECT_LT(shares(draw_molecule({{6, 6}, {{0, 0, 0}, {0, 0, 0}}}, 24)).white, 0.99);
}

}  // namespace
}  // namespace espalier::chem
