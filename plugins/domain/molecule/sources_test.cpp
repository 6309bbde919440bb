#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "plugins/domain/molecule/molecule_list.h"
#include "plugins/domain/molecule/test_files.h"
#include "plugins/shared/chem/bonds.h"
#include "plugins/shared/chem/enumerate.h"
#include "plugins/shared/chem_io/writers.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/encoding.h"

namespace espalier::molecule {
namespace {

using ::testing::ElementsAre;

std::string xyz_of(const std::vector<chem::Atoms>& molecules) {
  std::string text;
  for (const auto& atoms : molecules) text += chem::to_xyz(atoms, "a comment");
  return text;
}

class Sources : public ::testing::Test {
 protected:
  MoleculeList smiles(const std::string& text, ListOptions options = {}) const {
    write_file(folder_ / "list.smi", text);
    options.source = "smiles";
    options.data = folder_ / "list.smi";
    return list_molecules(options);
  }
  TempFolder folder_;
};

TEST_F(Sources, EnumeratedMoleculesAreThoseOfTheEnumeration) {
  const auto list = list_molecules({.source = "enumerated", .max_heavy_atoms = 3});
  EXPECT_EQ(list.smiles, chem::enumerate_molecules(3));
  EXPECT_EQ(list.name, list.smiles);
  EXPECT_TRUE(list.atoms.empty());
  EXPECT_EQ(*std::ranges::max_element(list.num_atoms), 11) << "propane";
}

TEST_F(Sources, ASmilesListIsReadInItsOrder) {
  const auto list = smiles("OCC ethanol\nC\n\n[H]C#N\n");
  EXPECT_THAT(list.smiles, ElementsAre("CCO", "C", "C#N"));
  EXPECT_THAT(list.num_atoms, ElementsAre(9, 5, 3));
  EXPECT_TRUE(list.left_out.empty());
}

TEST_F(Sources, AMoleculeCountsOnce) {
  const auto list = smiles("OCC\nC\nCCO\n");
  EXPECT_THAT(list.smiles, ElementsAre("CCO", "C"));
  ASSERT_EQ(list.left_out.size(), 1U);
  EXPECT_THAT(list.left_out[0], ::testing::AllOf(::testing::HasSubstr("1 skipped"), ::testing::HasSubstr("record 3: 'CCO'")));
}

TEST_F(Sources, HeavyAtomsAreLimitedBeforeAllAtoms) {
  const auto list = smiles("CCCCCCCCCCCCCCC\nCC\nC#C\n", {.max_heavy_atoms = 2, .max_atoms = 8});
  EXPECT_THAT(list.smiles, ElementsAre("CC", "C#C"));
  EXPECT_TRUE(list.left_out.empty());
}

TEST_F(Sources, ASubsetIsDrawnByItsSeed) {
  const std::string text = "C\nN\nO\nF\nCC\nCN\nCO\nCF\nC#N\nC=O\n";
  const auto all = smiles(text).smiles;
  const auto some = smiles(text, {.max_molecules = 4}).smiles;
  ASSERT_EQ(some.size(), 4U);
  EXPECT_EQ(smiles(text, {.max_molecules = 4}).smiles, some);
  EXPECT_NE(smiles(text, {.max_molecules = 4, .seed = 1}).smiles, some);
  std::size_t at = 0;
  for (const auto& molecule : all) at += at < some.size() && some[at] == molecule ? 1 : 0;
  EXPECT_EQ(at, some.size()) << "in the order of the list";
  const auto more = smiles(text, {.max_molecules = 6}).smiles;
  EXPECT_TRUE(std::ranges::all_of(some, [&](const auto& molecule) { return std::ranges::find(more, molecule) != more.end(); }));
}

TEST_F(Sources, FilesOfAFolderAreReadByTheirPaths) {
  write_file(folder_ / "b.smi", "CC\n");
  write_file(folder_ / "a.csv", "id,smiles\n1,C\n");
  write_file(folder_ / "notes.txt", "not a molecule\n");
  EXPECT_THAT(list_molecules({.source = "smiles", .data = folder_.path()}).smiles, ElementsAre("C", "CC"));
}

TEST_F(Sources, FilesAreFoundBehindLinksAndByAnyCase) {
  const TempFolder store;
  write_file(store / "b.SMI", "CC\n");
  write_file(folder_ / "a.CSV", "id,smiles\n1,C\n");
  write_file(folder_ / ".old.smi", "N\n");
  std::filesystem::create_directory_symlink(store.path(), folder_ / "more");
  const auto list = list_molecules({.source = "smiles", .data = folder_.path()});
  EXPECT_THAT(list.smiles, ElementsAre("C", "CC"));
  EXPECT_THAT(list.left_out, ElementsAre(::testing::HasSubstr("passed over 1 hidden file or folder (.old.smi)")));
}

// One line for all files, not one for each.
TEST_F(Sources, WhatManyFilesLackIsOneLine) {
  const std::string water = "3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n";
  for (int i = 0; i < 20; ++i) write_file(folder_ / (std::to_string(i) + ".xyz"), water + "1\n\nXe 0 0 0\n");
  const auto list = list_molecules({.source = "xyz", .data = folder_.path(), .on_error = chem::OnError::skip});
  EXPECT_EQ(list.size(), 20U);
  ASSERT_EQ(list.left_out.size(), 1U);
  EXPECT_THAT(list.left_out[0], ::testing::AllOf(::testing::HasSubstr("20 skipped: "), ::testing::HasSubstr("0.xyz:8: record 2")));
}

TEST_F(Sources, GeometriesOfOneMoleculeAreAllTaken) {
  const chem::Atoms water{{8, 1, 1}, {{{0, 0, 0}, {0.96, 0, 0}, {-0.24, 0.93, 0}}}};
  write_file(folder_ / "two.xyz", xyz_of({water, water}));
  const auto list = list_molecules({.source = "xyz", .data = folder_ / "two.xyz"});
  EXPECT_THAT(list.smiles, ElementsAre("O", "O"));
  EXPECT_EQ(list.atoms.size(), 2U);
}

TEST_F(Sources, ReferenceGeometriesThroughXyz) {
  const auto molecules = reference_geometries();
  if (molecules.empty()) GTEST_SKIP() << "ESPALIER_DATA with qm9_3d_mini is not set";
  ASSERT_EQ(molecules.size(), 20U);
  write_file(folder_ / "qm9.xyz", xyz_of(molecules));
  const auto domain = opened({{"source", "xyz"}, {"data", (folder_ / "qm9.xyz").string()}}, folder_.path());
  const auto examples = domain->data().examples("train");
  ASSERT_EQ(examples->distinct(), 20);
  std::vector<std::uint64_t> rows;
  for (std::uint64_t i = 0; i < 40; ++i) rows.push_back(i);  // and each turned once
  const Sample sample = samples_of(*domain, examples->at(rows));
  EXPECT_THAT(std::vector(sample.strings.at("smiles").begin(), sample.strings.at("smiles").begin() + 10),
              ElementsAre("C", "N", "O", "C#C", "C#N", "C=O", "CC", "CO", "C#CC", "CC#N"));  // gdb 1 .. 10, as QM9's own files name them
  for (std::size_t i = 0; i < 40; ++i) {
    const auto numbers = sample.tensors.at("atomic_number")[static_cast<std::int64_t>(i)].contiguous();
    const auto positions = sample.tensors.at("position")[static_cast<std::int64_t>(i)].contiguous();
    EXPECT_TRUE(
        chem::measure_stability({numbers.const_data_ptr<std::int64_t>(), 29}, {positions.const_data_ptr<float>(), 87}).molecule_stable)
        << i;
    EXPECT_EQ(sample.strings.at("smiles")[i], sample.strings.at("smiles")[i % 20]);
  }
}

TEST_F(Sources, TheSameFromSdf) {
  const auto molecules = reference_geometries();
  if (molecules.empty()) GTEST_SKIP() << "ESPALIER_DATA with qm9_3d_mini is not set";
  std::string sdf;
  for (const auto& atoms : molecules) sdf += chem::to_sdf(atoms);
  write_file(folder_ / "qm9.xyz", xyz_of(molecules));
  write_file(folder_ / "qm9.sdf", sdf);
  const auto xyz = list_molecules({.source = "xyz", .data = folder_ / "qm9.xyz"});
  const auto read = list_molecules({.source = "sdf", .data = folder_ / "qm9.sdf"});
  EXPECT_EQ(read.smiles, xyz.smiles);
  EXPECT_EQ(read.num_atoms, xyz.num_atoms);
  EXPECT_NEAR(read.atoms[7].position[2][1], molecules[7].position[2][1], 1e-4);
}

TEST_F(Sources, HeldOutMoleculesAreOthers) {
  const auto domain = opened({{"max_heavy_atoms", 2}, {"held_out_fraction", 0.3}}, folder_.path());
  const auto smiles_of = [&](const std::string& split) {
    const auto examples = domain->data().examples(split);
    std::set<std::string> smiles;
    for (std::int64_t i = 0; i < examples->distinct(); ++i) {
      smiles.insert(examples->at({static_cast<std::uint64_t>(i)}).condition.metadata[0].at("smiles").as_string());
    }
    return smiles;
  };
  const auto train = smiles_of("train"), held_out = smiles_of("held_out");
  for (const auto& molecule : held_out) EXPECT_FALSE(train.contains(molecule)) << molecule;
  const auto all = chem::enumerate_molecules(2);
  EXPECT_EQ(train.size() + held_out.size(), all.size()) << "every one has a geometry";
  EXPECT_EQ(held_out.size(), static_cast<std::size_t>(std::ceil(0.3 * static_cast<double>(all.size()))));
}

}  // namespace
}  // namespace espalier::molecule
