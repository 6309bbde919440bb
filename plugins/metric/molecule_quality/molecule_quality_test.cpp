#include <gmock/gmock.h>

#include <cmath>
#include <random>

#include "plugins/metric/molecule_quality/molecule_domain.h"
#include "plugins/shared/chem/test_molecules.h"
#include "plugins/shared/chem/test_samples.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/selection/intervals.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::molecule_quality {
namespace {

using namespace chem::testing;
using chem::Atoms;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

MetricInput input_of(const Domain& domain, std::vector<View> samples) {
  MetricInput input;
  input.key = {5, random::Purpose::evaluation};
  input.samples = std::move(samples);
  input.domain = &domain;
  return input;
}

std::map<std::string, Scalar> measure(const MetricInput& input, const conformance::Options& options = {}) {
  std::map<std::string, Scalar> result;
  const auto scalars = conformance::make<Metric>(conformance::plugin("metric.molecule_quality"), options)->measure(input).scalars;
  const auto names = unique_names(scalars);
  for (std::size_t i = 0; i < names.size(); ++i) result[names[i]] = scalars[i];
  return result;
}

const std::vector<Atoms> kSamples = {methane(), methane(), torn_methane(), crowded_methane(), water(), hydrogen_cyanide(), {}};

TEST(MoleculeQuality, Conforms) {
  const auto domain = testing::molecule_domain({methane(), formaldehyde(), crowded_methane()});
  const auto two = input_of(*domain, {testing::samples("graft", kSamples), testing::samples("base", {crowded_methane()})});
  conformance::check_metric(conformance::plugin("metric.molecule_quality"), {}, two);
  conformance::check_metric(conformance::plugin("metric.molecule_quality"), {{"count", 2}, {"diversity_count", 3}}, two);
}

TEST(MoleculeQuality, GivesEachScalarByItsDefinition) {
  const auto domain = testing::molecule_domain({methane(), formaldehyde(), crowded_methane()});
  const auto found = measure(input_of(*domain, {testing::samples("base", kSamples)}));
  EXPECT_EQ(found.at("atom_stability").value, 24.0 / 27.0);
  EXPECT_EQ(found.at("molecule_stability").value, 4.0 / 7.0);
  EXPECT_EQ(found.at("molecule_stability").low, intervals::wilson(4, 7).low);
  EXPECT_EQ(found.at("validity").value, 5.0 / 7.0);
  EXPECT_EQ(found.at("connected").value, 5.0 / 7.0);            // all but the torn one and the one without atoms
  EXPECT_EQ(found.at("connected_and_valid").value, 4.0 / 7.0);  // of these, the crowded one is invalid
  EXPECT_EQ(found.at("connected_and_valid").low, intervals::wilson(4, 7).low);
  EXPECT_EQ(found.at("data_connected_and_valid").value, 2.0 / 3.0);
  EXPECT_EQ(found.at("uniqueness").value, 3.0 / 5.0);  // C three times, O, C#N
  EXPECT_EQ(found.at("valid_and_unique").value, 3.0 / 7.0);
  EXPECT_EQ(found.at("novelty").value, 2.0 / 3.0);  // C is among the examples
  EXPECT_TRUE(std::isnan(found.at("uniqueness").low));
  EXPECT_EQ(found.at("data_molecule_stability").value, 2.0 / 3.0);
  EXPECT_EQ(found.at("data_validity").value, 2.0 / 3.0);
  EXPECT_EQ(found.at("data_uniqueness").value, 1.0);
  EXPECT_FALSE(found.contains("data_novelty"));
}

TEST(MoleculeQuality, NamesManySamplesByTheirTags) {
  const auto domain = testing::molecule_domain({methane()});
  const auto found = measure(input_of(*domain, {testing::samples("a", {water()}), testing::samples("b", {crowded_methane()})}));
  EXPECT_EQ(found.at("validity.a").value, 1.0);
  EXPECT_EQ(found.at("validity.b").value, 0.0);
  EXPECT_EQ(found.at("uniqueness.b").value, 0.0);  // of no valid molecule
  EXPECT_EQ(found.at("novelty.b").value, 0.0);
  EXPECT_EQ(found.at("data_validity").value, 1.0);
}

// What an untrained network makes: atoms thousands of angstrom apart. EDM's validity calls each of them a molecule.
TEST(MoleculeQuality, DustIsValidButNotConnected) {
  std::mt19937 engine(3);
  std::normal_distribution<double> normal(0.0, 3000.0);
  std::vector<Atoms> dust(16);
  for (auto& atoms : dust) {
    atoms.atomic_number = {6, 7, 8, 1, 1, 9};
    for (std::size_t a = 0; a < 6; ++a) atoms.position.push_back({normal(engine), normal(engine), normal(engine)});
  }
  const auto domain = testing::molecule_domain({methane()});
  const auto found = measure(input_of(*domain, {testing::samples("base", dust)}));
  EXPECT_EQ(found.at("atom_stability").value, 0.0);
  EXPECT_EQ(found.at("validity").value, 1.0);
  EXPECT_EQ(found.at("connected").value, 0.0);
  EXPECT_EQ(found.at("connected_and_valid").value, 0.0);
  EXPECT_NEAR(found.at("connected_and_valid").high, 0.19361, 1e-5);  // none of 16
}

TEST(MoleculeQuality, CountsANanPositionAsUnstableAtoms) {
  const auto domain = testing::molecule_domain({methane()});
  Atoms broken = water();
  broken.position[1][2] = std::nan("");
  const auto found = measure(input_of(*domain, {testing::samples("base", {broken, water()})}));
  EXPECT_EQ(found.at("atom_stability").value, 0.5);
  EXPECT_EQ(found.at("validity").value, 0.5);
}

TEST(MoleculeQuality, ReportsWhatItNeeds) {
  const auto domain = testing::molecule_domain({methane()});
  const auto samples = testing::samples("base", {water()});
  EXPECT_THAT([&] { measure(input_of(*domain, {samples}), {{"count", 2}}); }, ThrowsMessage<ConfigError>(HasSubstr("has 1 molecules")));
  EXPECT_THROW(measure(input_of(*domain, {samples}), {{"split", "held_out"}}), ConfigError);
}

std::filesystem::path data(const std::string& file) {
  const char* folder = std::getenv("ESPALIER_DATA");
  return folder == nullptr ? std::filesystem::path() : std::filesystem::path(folder) / file;
}

// QM9's first 20 molecules.
std::vector<Atoms> qm9_geometries() {
  std::vector<Atoms> molecules;
  const auto path = data("qm9_3d_mini/qm9_first20.json");
  const auto file = parse_json(read_file(path), path.string());
  for (const auto& one : file.as_list()) {
    Atoms& atoms = molecules.emplace_back();
    for (const auto& symbol : one.at("symbols").as_list()) atoms.atomic_number.push_back(chem::parse_element(symbol.as_string()));
    for (const auto& row : one.at("positions_angstrom").as_list()) {
      const auto& x = row.as_list();
      atoms.position.push_back({x[0].as_number(), x[1].as_number(), x[2].as_number()});
    }
  }
  return molecules;
}

// Each molecule moved by Gaussian noise of 0 to 0.12 angstrom, in single precision, as states are.
std::vector<Atoms> shaken(const std::vector<Atoms>& molecules, int times) {
  std::mt19937 engine(11);
  std::normal_distribution<double> normal;
  std::vector<Atoms> result;
  for (int i = 0; i < times; ++i) {
    for (Atoms atoms : molecules) {
      for (auto& position : atoms.position) {
        for (double& x : position) x = static_cast<float>(x + 0.12 * i / times * normal(engine));
      }
      result.push_back(std::move(atoms));
    }
  }
  return result;
}

void write(std::vector<std::string>& lines, const std::string& kind, const std::vector<Atoms>& molecules) {
  for (const auto& atoms : molecules) {
    std::ostringstream line;
    line.precision(17);
    line << kind;
    for (std::size_t a = 0; a < atoms.atomic_number.size(); ++a) {
      const auto& [x, y, z] = atoms.position[a];
      line << ' ' << chem::element_symbol(atoms.atomic_number[a]) << ' ' << x << ' ' << y << ' ' << z;
    }
    lines.push_back(line.str());
  }
}

void expect_counts(const std::map<std::string, Scalar>& found, const std::string& prefix, const std::vector<double>& python) {
  const auto value = [&](const char* name) { return found.at(prefix + name).value; };
  EXPECT_EQ(value("atom_stability"), python[2] / python[1]);
  EXPECT_EQ(value("molecule_stability"), python[3] / python[0]);
  EXPECT_EQ(value("validity"), python[4] / python[0]);
  EXPECT_EQ(value("uniqueness"), python[5] / python[4]);
  if (prefix.empty()) {
    EXPECT_EQ(value("novelty"), python[6] / python[5]);
  }
  EXPECT_NEAR(value("diversity"), python[7], 1e-12);
  EXPECT_EQ(value("connected"), python[8] / python[0]);
  EXPECT_EQ(value("connected_and_valid"), python[9] / python[0]);
}

TEST(MoleculeQuality, IsCountForCountWhatPythonDerives) {
  const auto table = data("edm_bond_tables/edm_bond_tables.json");
  if (table.empty() || !std::filesystem::exists(table)) GTEST_SKIP() << "ESPALIER_DATA with edm_bond_tables and qm9_3d_mini is not set";
  if (!RdkitPython::available()) GTEST_SKIP() << "no python3 with rdkit (Debian: python3-rdkit)";
  const auto molecules = qm9_geometries();
  const std::vector<Atoms> known(molecules.begin(), molecules.begin() + 8);
  const auto training = shaken(known, 4);
  auto sampled = shaken(molecules, 25);
  sampled.insert(sampled.end(), kSamples.begin(), kSamples.end());
  std::vector<std::string> lines;
  write(lines, "train", training);
  write(lines, "sample", sampled);
  const std::string script = read_file(ESPALIER_SOURCE_DIR "/plugins/metric/molecule_quality/rederive.py");
  const auto python = RdkitPython().numbers(script, lines, {table.string()});
  ASSERT_EQ(python.size(), 2U);
  const auto domain = testing::molecule_domain(training);
  const auto found = measure(input_of(*domain, {testing::samples("base", sampled)}));
  expect_counts(found, "", python[0]);
  expect_counts(found, "data_", python[1]);
  // The comparison can fail: every count differs from the others and from the whole.
  EXPECT_THAT(found.at("molecule_stability").value, ::testing::AllOf(::testing::Gt(0.2), ::testing::Lt(0.9)));
  EXPECT_LT(found.at("validity").value, 0.99);
  EXPECT_GT(found.at("validity").value, found.at("molecule_stability").value);
  EXPECT_LT(found.at("connected_and_valid").value, std::min(found.at("connected").value, found.at("validity").value));
  EXPECT_THAT(found.at("novelty").value, ::testing::AllOf(::testing::Gt(0.1), ::testing::Lt(0.99)));
  RecordProperty("molecules", static_cast<int>(sampled.size()));
  for (const auto& [name, scalar] : found) RecordProperty(name, std::to_string(scalar.value));
}

}  // namespace
}  // namespace espalier::molecule_quality
