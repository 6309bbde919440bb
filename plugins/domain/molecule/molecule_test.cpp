#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include <array>
#include <limits>
#include <set>
#include <thread>

#include "plugins/domain/molecule/test_files.h"
#include "runtime/base/errors.h"
#include "runtime/modelfile/folder.h"
#include "runtime/random/draws.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/encoding.h"

namespace espalier::molecule {
namespace {

using conformance::Options;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::string kModels = ESPALIER_SOURCE_DIR "/datasets/models/";

class Molecule : public ::testing::Test {
 protected:
  std::unique_ptr<Domain> open(const Options& options) const { return opened(options, folder_.path()); }
  Options small() const { return {{"max_heavy_atoms", 2}, {"max_atoms", 11}, {"conformer_cache", folder_.path().string()}}; }
  Options list(const std::string& smiles) const {
    write_file(folder_ / "list.smi", smiles);
    return {{"source", "smiles"}, {"data", (folder_ / "list.smi").string()}, {"max_atoms", 11}};
  }
  TempFolder folder_;
};

TEST_F(Molecule, ConformsOnEnumeratedMoleculesWithAModel) {
  const auto model = modelfile::load(kModels + "molecule-blank-small", network::engine_networks(), {.initialize_weights = 3});
  Options options = small();
  options["held_out_fraction"] = 0.2;
  options["rotations"] = 2;
  conformance::check_domain(conformance::plugin("domain.molecule"), options, {.disjoint_splits = false, .model = &model});
}

TEST_F(Molecule, ConformsOnAListOfSmiles) {
  Options options = list("CCO\nC\nN\nC1CC1\nC=O\n");
  options["conformer_cache"] = folder_.path().string();
  conformance::check_domain(conformance::plugin("domain.molecule"), options, {.disjoint_splits = false});
}

TEST_F(Molecule, StatesAreCentredClassesAndPositions) {
  Options options = list("CO\n");
  options["position_scale"] = 2.0;
  const auto domain = open(options);
  const State state = states(*domain, {0});
  const auto token = state.at("token")[0], present = state.at("present")[0], vector = state.at("vector")[0];
  EXPECT_EQ(token.narrow(0, 0, 3).sum().item<std::int64_t>(), 1 + 3) << "C O H, heavy atoms first";
  EXPECT_EQ(present.sum().item<std::int64_t>(), 6);
  EXPECT_LT(vector.sum(0).abs().max().item<double>(), 1e-5);
  EXPECT_EQ(vector.narrow(0, 6, 5).abs().max().item<double>(), 0.0);
  EXPECT_FALSE(state.at("frozen").any().item<bool>());
  const double bond = (vector[0] - vector[1]).norm().item<double>() * 2.0;
  EXPECT_NEAR(bond, 1.42, 0.03) << "angstrom from C to O";
}

// What a state held before there were codecs: float(turn (position - mean) / position_scale), turned by the quaternion of the position.
TEST_F(Molecule, StatesHoldThePositionsOfTheMolecule) {
  const std::array<std::array<double, 3>, 3> water = {{{0.1, 0.2, 0.3}, {1.06, 0.2, 0.3}, {-0.14, 1.13, 0.3}}};
  write_file(folder_ / "water.xyz", "3\nwater\nO 0.1 0.2 0.3\nH 1.06 0.2 0.3\nH -0.14 1.13 0.3\n");
  const auto domain = open({{"source", "xyz"}, {"data", (folder_ / "water.xyz").string()}, {"max_atoms", 5}, {"rotations", 3}});
  const State state = states(*domain, {0, 1, 2, 3});
  std::array<double, 3> mean{};
  for (std::size_t k = 0; k < 3; ++k) mean[k] = (water[0][k] + water[1][k] + water[2][k]) / 3.0;
  random::Draws draws(random::streams::examples(0, 0), {0, 1, 2, 3});
  const at::Tensor quaternions = draws.normals({4}, at::kDouble);
  for (std::int64_t p = 0; p < 4; ++p) {
    const double* q = quaternions.const_data_ptr<double>() + 4 * p;
    const double w = q[0], x = q[1], y = q[2], z = q[3], s = 2.0 / (w * w + x * x + y * y + z * z);
    const double turned[3][3] = {{1.0 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y)},
                                 {s * (x * y + w * z), 1.0 - s * (x * x + z * z), s * (y * z - w * x)},
                                 {s * (x * z - w * y), s * (y * z + w * x), 1.0 - s * (x * x + y * y)}};
    for (std::int64_t a = 0; a < 5; ++a) {
      EXPECT_EQ(state.at("present")[p][a].item<bool>(), a < 3);
      EXPECT_EQ(state.at("token")[p][a].item<std::int64_t>(), a == 0 ? 3 : 0) << "O H H, and nothing";
      for (std::size_t k = 0; k < 3; ++k) {
        double expected = 0.0;
        for (std::size_t j = 0; j < 3 && a < 3; ++j) {
          expected += (p > 0 ? turned[k][j] : j == k ? 1.0 : 0.0) * (water[static_cast<std::size_t>(a)][j] - mean[j]);
        }
        EXPECT_EQ(state.at("vector")[p][a][static_cast<std::int64_t>(k)].item<float>(), static_cast<float>(expected / 1.5)) << p << a << k;
      }
    }
  }
}

TEST_F(Molecule, EncodingADecodedStateGivesItBack) {
  const auto domain = open(small());
  const auto codec = domain->codec(nullptr);
  const auto state = states(*domain, {0, 1, 2, 3, 4, 5, 6, 7, 30, 40});
  const auto again = codec->encode(codec->decode(state, {}), {});
  for (const auto* name : {"token", "present", "frozen"}) EXPECT_TRUE(again.at(name).equal(state.at(name))) << name;
  EXPECT_LT((again.at("vector") - state.at("vector")).abs().max().item<double>(), 1e-6);
}

TEST_F(Molecule, TheConditionOfAnExampleIsItsState) {
  const auto domain = open(list("CO\nC\n"));
  const auto batch = domain->data().examples("train")->at({1, 2});
  EXPECT_EQ(digest_weights(batch.condition.tensors), digest_weights(states(*domain, {1, 2})));
  EXPECT_EQ(batch.condition.text, (std::vector<std::string>{"5 atoms", "6 atoms"}));
}

TEST_F(Molecule, RefusesToEncodeAnotherElement) {
  const auto domain = open(list("CO\n"));
  auto sample = domain->data().examples("train")->at({0}).sample;
  sample.tensors["atomic_number"][0][1] = 17;
  EXPECT_THAT([&] { domain->codec(nullptr)->encode(sample, {}); }, ThrowsMessage<DataError>(HasSubstr("atomic number 17")));
}

TEST_F(Molecule, DecodingGivesTheMoleculeBack) {
  const auto domain = open(small());
  const auto codec = domain->codec(nullptr);
  const auto examples = domain->data().examples("train");
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(examples->distinct()); ++i) {
    const auto batch = examples->at({i, i + static_cast<std::uint64_t>(examples->distinct())});
    const Sample sample = samples_of(*domain, batch);
    const auto smiles = batch.condition.metadata[0].at("smiles").as_string();
    const auto numbers = sample.tensors.at("atomic_number");
    EXPECT_TRUE(numbers[0].equal(numbers[1])) << smiles;
    EXPECT_EQ((numbers[0] > 0).sum().item<std::int64_t>(), batch.condition.metadata[0].at("num_atoms").as_integer());
    EXPECT_EQ(sample.strings.at("smiles")[0], sample.strings.at("smiles")[1]) << "turned, it is the same molecule";
    EXPECT_EQ(codec->canonical_keys(sample), sample.strings.at("smiles"));
  }
}

TEST_F(Molecule, DecodedSmilesAreThoseOfTheList) {
  const auto domain = open(list("CCO\nC\nN#C\nC1CC1\nC=O\nFC\n"));
  const auto batch = domain->data().examples("train")->at({0, 1, 2, 3, 4, 5});
  EXPECT_EQ(samples_of(*domain, batch).strings.at("smiles"), (std::vector<std::string>{"CCO", "C", "C#N", "C1CC1", "C=O", "CF"}));
}

TEST_F(Molecule, WritesFilesThatItReadsAgain) {
  const auto domain = open(list("CCO\nC\nN#C\nC1CC1\nC=O\nFC\n"));
  const auto sample = samples_of(*domain, domain->data().examples("train")->at({0, 1, 2, 3, 4, 5}));
  const auto files = domain->codec(nullptr)->records(sample);
  EXPECT_EQ(files.at("molecules.smi"), "CCO\nC\nC#N\nC1CC1\nC=O\nCF\n");
  for (const std::string kind : {"xyz", "sdf"}) {
    const auto path = folder_ / ("molecules." + kind);
    write_file(path, files.at("molecules." + kind));
    const auto again = open({{"source", kind}, {"data", path.string()}, {"max_atoms", 11}});
    EXPECT_EQ(again->data().examples("train")->distinct(), 6) << kind;
    const auto read = samples_of(*again, again->data().examples("train")->at({0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(read.strings.at("smiles"), sample.strings.at("smiles")) << kind;
    EXPECT_TRUE(read.tensors.at("atomic_number").equal(sample.tensors.at("atomic_number"))) << kind;
  }
}

TEST_F(Molecule, AtomsTooFarForSdfAreInXyzAlone) {
  const auto domain = open(list("CCO\nC\n"));
  const auto codec = domain->codec(nullptr);
  State state = states(*domain, {0, 1});
  state["vector"][0].mul_(1e5);
  const auto files = codec->records(codec->decode(state, {}));
  EXPECT_THAT(files.at("molecules.xyz"), ::testing::StartsWith("9\n"));
  EXPECT_THAT(files.at("molecules.sdf"), ::testing::StartsWith("C\n"));
  state["vector"][1].mul_(1e5);
  EXPECT_FALSE(codec->records(codec->decode(state, {})).contains("molecules.sdf"));
}

TEST_F(Molecule, WhatIsNoMoleculeHasNoSmiles) {
  const auto domain = open(list("CCO\nC\n"));
  State state = states(*domain, {0, 0, 0, 0});
  state["vector"][0].mul_(0.3);                                       // every atom bonded to every other
  state["vector"][1].fill_(std::numeric_limits<float>::quiet_NaN());  // nowhere
  state["present"][2].fill_(false);                                   // nothing there
  state["vector"][3].narrow(0, 3, 6).mul_(5.0);                       // its hydrogens flown off: C-C-O is their largest piece
  const auto sample = domain->codec(nullptr)->decode(state, {});
  EXPECT_EQ(sample.strings.at("smiles"), (std::vector<std::string>{"", "", "", "CCO"}));
  EXPECT_EQ(sample.tensors.at("atomic_number")[2].sum().item<std::int64_t>(), 0);
  EXPECT_EQ(domain->codec(nullptr)->draw(sample).size(), 4U);
}

TEST_F(Molecule, DecodesInSeveralThreads) {
  const auto domain = open(small());
  const auto codec = domain->codec(nullptr);
  const State state = states(*domain, {0, 1, 2, 3, 4, 5});
  const auto expected = codec->decode(state, {}).strings.at("smiles");
  std::vector<std::jthread> threads;
  std::array<std::vector<std::string>, 4> found;
  for (auto& smiles : found) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) smiles = codec->decode(state, {}).strings.at("smiles");
    });
  }
  threads.clear();
  EXPECT_THAT(found, Each(expected));
}

TEST_F(Molecule, ConditionsAreNumbersOfAtoms) {
  Options options = list("C\nCC\nCCC\nCCN\n");  // 5, 8, 11 and 10 atoms
  options["num_conditions"] = 8;
  const auto conditions = open(options)->data().conditions("train");
  ASSERT_EQ(conditions.size(), 8);
  std::multiset<std::int64_t> sizes;
  for (std::int64_t i = 0; i < 8; ++i) {
    const auto there = conditions.tensors.at("present")[i].sum().item<std::int64_t>();
    const auto which = static_cast<std::size_t>(i);
    EXPECT_EQ(conditions.metadata[which].at("num_atoms").as_integer(), there);
    EXPECT_EQ(conditions.text[which], std::to_string(there) + " atoms");
    sizes.insert(there);
  }
  EXPECT_EQ(sizes, (std::multiset<std::int64_t>{5, 5, 8, 8, 10, 10, 11, 11}));
  EXPECT_FALSE(conditions.tensors.at("frozen").any().item<bool>());
  EXPECT_EQ(opened(options, folder_.path(), 4)->data().conditions("train").digest(), conditions.digest())
      << "the same in runs of other seeds";
}

TEST_F(Molecule, DigestsChangeWithWhatExamplesAre) {
  const Options plain = list("C\nCC\nCCC\nCCN\n");
  const auto digest = [this](const Options& options) { return open(options)->data().examples("train")->digest(); };
  const Hex first = digest(plain);
  EXPECT_EQ(digest(plain), first);
  const auto with = [&](const std::string& name, const Value& value) {
    Options options = plain;
    options[name] = value;
    return digest(options);
  };
  EXPECT_NE(with("rotations", 3), first);
  EXPECT_NE(with("position_scale", 1.0), first);
  EXPECT_NE(with("max_atoms", 12), first);
  EXPECT_NE(with("max_heavy_atoms", 2), first);
  EXPECT_NE(with("max_molecules", 3), first);
  EXPECT_NE(with("held_out_fraction", 0.2), first);
  EXPECT_EQ(with("num_conditions", 3), first);
  EXPECT_EQ(with("conformer_cache", (folder_ / "elsewhere").string()), first);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "elsewhere")) << "a digest needs no geometry";
  EXPECT_NE(digest(list("C\nCC\nCCC\nCCO\n")), first);
}

TEST_F(Molecule, TheCodecsKeyNamesItsScale) {
  Options options = small();
  const Value first = open(options)->codec(nullptr)->key();
  options["position_scale"] = 2.5;
  EXPECT_NE(open(options)->codec(nullptr)->key(), first);
  EXPECT_THAT(to_json(first), HasSubstr("RDKit 20"));
}

ModelInfo blank(const std::string& name) { return modelfile::info(kModels + name, network::engine_networks(), {.initialize_weights = 3}); }

TEST_F(Molecule, ModelsMustFitTheMolecules) {
  Options options = small();
  const auto model = blank("molecule-blank-small");
  EXPECT_EQ(open(options)->codec(&model)->spec().at("vector").shape, (std::vector<std::int64_t>{11, 3}));
  options["max_atoms"] = 12;
  const auto larger = open(options);
  EXPECT_THAT([&] { larger->codec(&model); },
              ThrowsMessage<DataError>(HasSubstr("transformer/config.json: max_elements is 11, but the domain's states have 12")));
}

TEST_F(Molecule, BlueprintsOpen) {
  for (const auto& [name, atoms] : {std::pair{"molecule-blank-qm9", 29}, std::pair{"molecule-blank-small-joint", 17}}) {
    Options options = small();
    options["max_atoms"] = atoms;
    const auto model = blank(name);
    EXPECT_EQ(open(options)->codec(&model)->spec().at("token").shape, std::vector<std::int64_t>{atoms}) << name;
  }
}

TEST_F(Molecule, RefusesOptionsOfAnotherSource) {
  const auto expect = [this](const Options& options, const std::string& message) {
    EXPECT_THAT([&] { open(options); }, ThrowsMessage<ConfigError>(HasSubstr(message)));
  };
  expect({{"data", "x"}}, "'data' is for source = \"smiles\"");
  expect({{"source", "smiles"}}, "needs the option 'data'");
  expect({{"source", "xyz"}, {"data", "x"}, {"conformer_cache", "x"}}, "have positions");
  expect({{"max_heavy_atoms", 7}}, "goes up to");
  expect({{"split_seed", 1}}, "'split_seed' is for");
  EXPECT_THAT([&] { open(small())->data().examples("held_out"); }, ThrowsMessage<ConfigError>(HasSubstr("train")));
}

}  // namespace
}  // namespace espalier::molecule
