#include "plugins/shared/chem_io/readers.h"

#include <gmock/gmock.h>

#include <functional>

#include "plugins/shared/chem/test_atoms.h"
#include "plugins/shared/chem_io/writers.h"
#include "plugins/shared/images/test_files.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

using images::TempFolder;
using images::write_file;
using images::write_gzip;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr ReadOptions kFail{};
constexpr ReadOptions kSkip{OnError::skip, 29, true};

const std::string kWater = "3\nwater\nO 0 0 0.1173\nH 0 0.7572 -0.4692\nH 0 -0.7572 -0.4692\n";

// What `bytes` in a file of this name give; the file's name is taken out of the reasons.
template <typename Read>
auto read_text(Read read, const std::string& name, const std::string& bytes, const ReadOptions& options) {
  const TempFolder folder;
  write_file(folder / name, bytes);
  return read(folder / name, options);
}

std::string xyz_reason(const std::string& bytes, ReadOptions options = kSkip) {
  const Molecules molecules = read_text(read_xyz, "a.xyz", bytes, options);
  return molecules.skipped.count == 0 ? "" : molecules.skipped.causes.begin()->second.examples.front();
}

TEST(Xyz, GivesEveryRecord) {
  const std::string text = kWater + "\n" + to_xyz(testing::methane(), "two\nlines") + "\r\n1\r\n\r\n1 +1e0 2 3.5 0.1\r\n";
  for (const bool packed : {false, true}) {
    const TempFolder folder;
    const auto path = folder / (packed ? "a.xyz.gz" : "a.xyz");
    packed ? write_gzip(path, text) : write_file(path, text);
    const Molecules molecules = read_molecules(path, kFail);
    ASSERT_EQ(molecules.atoms.size(), 3U);
    EXPECT_THAT(molecules.record, ElementsAre(1, 2, 3));
    EXPECT_THAT(molecules.atoms[0].atomic_number, ElementsAre(8, 1, 1));
    EXPECT_EQ(molecules.atoms[1].position, testing::methane().position);
    EXPECT_THAT(molecules.atoms[2].position[0], ElementsAre(1.0, 2.0, 3.5));
  }
}

TEST(Xyz, ReadsQm9sOwnFiles) {
  const std::string file =
      "3\ngdb 3\t799.58812\nO\t-0.0343604951\t 0.9775395708\t 7.6015923*^-3\t-0.589706\nH\t 0.0647664923\t 0.0205721989\t "
      "0.0015346341\t0.29\n"
      "H\t 0.8717903737\t 1.3007924048\t 0.0006931336\t0.29\n1671.4\t3803.6\t3907.6\nO\tO\nInChI=1S/H2O/h1H2\tInChI=1S/H2O/h1H2\n";
  const Molecules molecules = read_text(read_xyz, "a.xyz", file + file, kFail);
  ASSERT_EQ(molecules.atoms.size(), 2U);
  EXPECT_DOUBLE_EQ(molecules.atoms[1].position[0][2], 0.0076015923);
}

// QM9 with its closing lines taken off, as people do, or some of them.
TEST(Xyz, ReadsQm9sFilesWithoutTheirTail) {
  const std::string record = "3\ngdb 3\t799.58812\nO 0 0 0.1173\nH 0 0.7572 -0.4692\nH 0 -0.7572 -0.4692\n";
  const std::string tail = "1671.4\t3803.6\t3907.6\nO\tO\nInChI=1S/H2O/h1H2\tInChI=1S/H2O/h1H2\n";
  EXPECT_THAT(read_text(read_xyz, "a.xyz", record + record + record, kFail).record, ElementsAre(1, 2, 3));
  const std::string short_tail = tail.substr(0, tail.find("InChI"));
  EXPECT_THAT(read_text(read_xyz, "a.xyz", record + short_tail + record + "\n" + record + tail + record, kFail).record,
              ElementsAre(1, 2, 3, 4));
}

TEST(Xyz, ReadsFortransExponents) {
  const Molecules molecules = read_text(read_xyz, "a.xyz", "2\n\nC 1.0D-3 -2.5d+0 0.0D0\nH 1.0E-3 -2.5 1.09\n", kFail);
  EXPECT_THAT(molecules.atoms.at(0).position[0], ElementsAre(0.001, -2.5, 0.0));
  EXPECT_THAT(xyz_reason("1\n\nC 0 0 1D\n"), HasSubstr("'C 0 0 1D'"));
  EXPECT_THAT(xyz_reason("1\n\nC 0 0 D1\n"), HasSubstr("'C 0 0 D1'"));
}

TEST(Xyz, ReportsWhereARecordIsWrong) {
  EXPECT_THAT([] { read_text(read_xyz, "a.xyz", kWater + "1\n\nCl 0 0 0\n", kFail); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("a.xyz:8: record 2:"), HasSubstr("'Cl'"))));
  EXPECT_THAT(xyz_reason("three\n"), HasSubstr("'three'"));
  EXPECT_THAT(xyz_reason("-1\n\n"), HasSubstr("'-1'"));
  EXPECT_THAT(xyz_reason("0\n\n"), HasSubstr("no atoms"));
  EXPECT_THAT(xyz_reason("1\n\nC 0 0\n"), HasSubstr("'C 0 0'"));
  EXPECT_THAT(xyz_reason("1\n\nC 0 0 x\n"), HasSubstr("'C 0 0 x'"));
  EXPECT_THAT(xyz_reason("1\n\nC 0 0 nan\n"), HasSubstr("(0, 0, nan)"));
  EXPECT_THAT(xyz_reason("1\n\nC 0 0 1e999\n"), HasSubstr("1e999"));
  EXPECT_THAT(xyz_reason("2\n\nC 0 0 0\n"), HasSubstr("ends after 1 of the 2"));
  EXPECT_THAT(xyz_reason("2\n\nC 0 0 0\nC 9 0 0\n"), HasSubstr("in 2 pieces"));
  EXPECT_THAT(xyz_reason(kWater, {OnError::skip, 2, true}), HasSubstr("3 atoms, over the 2"));
  EXPECT_EQ(xyz_reason("2\n\nC 0 0 0\nC 9 0 0\n", {OnError::skip, 29, false}), "");
}

TEST(Xyz, GoesOnAfterABadRecord) {
  const std::string text =
      kWater + "4\n\nC 0 0 0\n" + kWater + "99999999999\n\nC 0 0 0\n" + "oops\n" + kWater + "2\n\nXx 0 0 0\nH 0 0 0\n" + kWater;
  const Molecules molecules = read_text(read_xyz, "a.xyz", text, kSkip);
  EXPECT_EQ(molecules.atoms.size(), 4U);
  EXPECT_EQ(molecules.skipped.count, 3);
  EXPECT_THAT(molecules.skipped.summary(), AllOf(HasSubstr("3 skipped: "), HasSubstr("1 of the 4 atoms promised, then '3'")));
}

TEST(Sdf, GivesEveryRecord) {
  const std::string text = to_sdf(testing::methane(), "methane") + to_sdf(testing::water());
  const Molecules molecules = read_text(read_molecules, "a.sdf", text, kFail);
  ASSERT_EQ(molecules.atoms.size(), 2U);
  EXPECT_THAT(molecules.atoms[0].atomic_number, ElementsAre(6, 1, 1, 1, 1));
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(molecules.atoms[0].position[i][k], testing::methane().position[i][k], 1e-4);
  }
  const std::string unended = text.substr(0, text.rfind("$$$$"));
  EXPECT_EQ(read_text(read_sdf, "a.mol", unended, kFail).atoms.size(), 2U);
  EXPECT_EQ(read_text(read_sdf, "a.sdf", text + "\n \n", kFail).atoms.size(), 2U);
}

std::string sdf_reason(const std::string& bytes, ReadOptions options = kSkip) {
  const Molecules molecules = read_text(read_sdf, "a.sdf", bytes, options);
  return molecules.skipped.count == 0 ? "" : molecules.skipped.causes.begin()->second.examples.front();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.find(from) == std::string::npos ? "nothing to replace" : text.replace(text.find(from), from.size(), to);
}

TEST(Sdf, ReportsWhatIsWrongWithARecord) {
  const std::string methane = to_sdf(testing::methane()), water = to_sdf(testing::water());
  EXPECT_THAT([&] { read_text(read_sdf, "a.sdf", water + replaced(methane, " C  ", " Cl "), kFail); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("a.sdf:12: record 2:"), HasSubstr("atomic number 17"))));
  EXPECT_THAT(sdf_reason("$$$$\n"), HasSubstr("no molecule"));
  EXPECT_THAT(sdf_reason("words\nwords\nwords\nwords\n"), HasSubstr("no molecule"));
  EXPECT_THAT(sdf_reason("\n\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n$$$$\n"), HasSubstr("no atoms"));
  EXPECT_THAT(sdf_reason(replaced(methane, "    0.6293", "       nan")), ::testing::Not(""));
  EXPECT_THAT(sdf_reason(replaced(methane, "  5  4", "  9  4")), HasSubstr("no molecule"));
  EXPECT_THAT(sdf_reason(replaced(methane, "  1  5  1", "  1  9  1")), HasSubstr("no molecule"));
  EXPECT_THAT(sdf_reason(methane, {OnError::skip, 4, true}), HasSubstr("5 atoms, over the 4"));
  EXPECT_THAT(sdf_reason(to_sdf(testing::beside(testing::methane(), testing::water(), 6.0))), HasSubstr("in 2 pieces"));
  EXPECT_THAT(sdf_reason(to_sdf({{6, 8}, {{0, 0, 0}, {1.2, 0, 0.1}}})), HasSubstr("2 hydrogens are only implied"));
  EXPECT_THAT(sdf_reason(replaced(to_sdf({{6, 1}, {{0, 0, 0}, {1, 0, 0}}}), "3D", "2D")), HasSubstr("two-dimensional"));
}

// Ammonium, by M  CHG and by the atom block's own column; an ion is no molecule of neutral atoms, a zwitterion is.
TEST(Sdf, ExcludesAndCountsIons) {
  const Atoms ammonium{{7, 1, 1, 1, 1}, testing::methane().position};
  const std::string plain = to_sdf(ammonium), water = to_sdf(testing::water());
  const std::string by_line = replaced(plain, "M  END", "M  CHG  1   1   1\nM  END");
  std::string by_column = plain;
  by_column[plain.find(" N  ") + 8] = '3';  // " aaaddccc": symbol, mass difference, charge; 3 means +1
  for (const std::string& ion : {by_line, by_column}) {
    const Molecules molecules = read_text(read_sdf, "a.sdf", water + ion + water, kFail);
    EXPECT_THAT(molecules.record, ElementsAre(1, 3));
    EXPECT_THAT(molecules.skipped.summary(), AllOf(HasSubstr("1 skipped"), HasSubstr("record 2: an ion of charge +1")));
  }
  const std::string neutral = replaced(to_sdf(testing::methane()), "M  END", "M  CHG  2   1  -1   2   1\nM  END");
  EXPECT_EQ(read_text(read_sdf, "a.sdf", neutral, kFail).atoms.size(), 1U);
}

TEST(Sdf, GoesOnAfterABadRecord) {
  const std::string water = to_sdf(testing::water());
  const Molecules molecules = read_text(read_sdf, "a.sdf", water + "broken\n$$$$\n" + water, kSkip);
  EXPECT_THAT(molecules.record, ElementsAre(1, 3));
  EXPECT_EQ(molecules.skipped.count, 1);
}

SmilesList smiles_of(const std::string& name, const std::string& bytes, const ReadOptions& options = kFail) {
  return read_text([](const auto& path, const ReadOptions& o) { return read_smiles(path, o, 2); }, name, bytes, options);
}

std::vector<std::string> strings(const SmilesList& list) {
  std::vector<std::string> result;
  for (const SmilesRecord& record : list.records) result.push_back(record.smiles);
  return result;
}

TEST(SmilesFile, IsAListOrACsvFile) {
  EXPECT_THAT(strings(smiles_of("a.smi", "C(O)C ethanol\n\n# a comment\nC#C\t2\r\nO")), ElementsAre("CCO", "C#C", "O"));
  EXPECT_THAT(strings(smiles_of("a.txt", "smiles\nCO\nC\n")), ElementsAre("CO", "C"));
  EXPECT_THAT(strings(smiles_of("a.csv", "id,SMILES,name\n1,CO,\"a, \"\"b\"\"\"\n2,\"C\",x\n")), ElementsAre("CO", "C"));
  const SmilesList list = smiles_of("a.csv", "name,smiles\nx,CCO\n");
  EXPECT_EQ(list.records[0].atoms, 9);
  EXPECT_EQ(list.records[0].record, 1);
  EXPECT_TRUE(smiles_of("a.smi", "").records.empty());
}

TEST(SmilesFile, DetectsAHeaderByCommasTabsOrBlanks) {
  EXPECT_THAT(strings(smiles_of("a.smi", "smiles\tname\nCO\tx\nC\ty\n")), ElementsAre("CO", "C"));
  EXPECT_THAT(strings(smiles_of("a.tsv", "long name\tSMILES\nthe first\tCO\nthe second\tC\n")), ElementsAre("CO", "C"));
  EXPECT_THAT(strings(smiles_of("a.smi", "SMILES ID\nCO 1\nC 2\n")), ElementsAre("CO", "C"));
  EXPECT_THAT(strings(smiles_of("a.smi", "id   smiles\n1 CO\n2   C\n")), ElementsAre("CO", "C"));
  EXPECT_THAT([] { smiles_of("a.smi", "id smiles\n1 CO\n2\n"); }, ThrowsMessage<DataError>(HasSubstr("a.smi:3: record 2: 1 columns")));
}

TEST(SmilesFile, ExcludesAndCountsIons) {
  const SmilesList list = smiles_of("a.smi", "C\n[NH4+]\nCC(=O)[O-]\n[NH3+]CC([O-])=O\n");
  EXPECT_THAT(strings(list), ElementsAre("C", "[NH3+]CC(=O)[O-]"));
  EXPECT_EQ(list.skipped.count, 2);
  EXPECT_THAT(list.skipped.summary(), AllOf(HasSubstr("'[NH4+]': an ion of charge +1"), HasSubstr("'CC(=O)[O-]': an ion of charge -1")));
}

TEST(SkippedRecords, AreCountedByReasonWithTheFirstExamples) {
  std::string text;
  for (int i = 0; i < 9; ++i) text += "C.C" + std::string(static_cast<std::size_t>(i), 'C') + "\n";
  const std::string summary = smiles_of("a.smi", text + "CCl\nC\nCBr\n", kSkip).skipped.summary();
  EXPECT_THAT(summary, AllOf(HasSubstr("11 skipped: 9 like "), HasSubstr("record 1: 'C.C': in 2 pieces"), HasSubstr("record 3: 'C.CCC'"),
                             ::testing::Not(HasSubstr("record 4:"))));
  EXPECT_THAT(summary, AllOf(HasSubstr("; ...; 2 like "), HasSubstr("record 10: 'CCl'"), HasSubstr("record 12: 'CBr'")));
}

TEST(SmilesFile, ReportsWhatIsWrongWithALine) {
  EXPECT_THAT([] { smiles_of("a.smi", "C\n\nC(\n"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("a.smi:3: record 2: 'C('"), HasSubstr("no SMILES"))));
  EXPECT_THAT([] { smiles_of("a.csv", "id,name\n1,x\n"); }, ThrowsMessage<DataError>(HasSubstr("no column `smiles`")));
  const SmilesList list = smiles_of("a.csv", "x,smiles\n1,CCCl\n2\n3,\n4,C.C\n5,C(C)(C)(C)(C)C\n6,CCCCCCCCCCCCCCCC\n7,C\n", kSkip);
  EXPECT_THAT(strings(list), ElementsAre("C"));
  EXPECT_EQ(list.records[0].record, 7);
  EXPECT_EQ(list.skipped.count, 6);
  EXPECT_THAT(list.skipped.summary(), AllOf(HasSubstr("6 skipped: "), HasSubstr("'Cl'"), HasSubstr("column 2"), HasSubstr("in 2 pieces"),
                                            HasSubstr("valence"), HasSubstr("1 for other reasons")));
}

// The first and the last two are known by their text alone; the aromatic one RDKit has to count.
TEST(SmilesFile, LeavesOutWhatIsTooHeavyButNotWhatIsWrong) {
  const ReadOptions options{OnError::skip, 29, true, 3};
  const SmilesList list = smiles_of("a.smi", "CCCC\nCCO\nc1ccccc1\nCCCCCl\nCCCC(\nCCC(C)(C)(C)C\nC.CCCC\nC\nC1CCC1\n", options);
  EXPECT_THAT(strings(list), ElementsAre("CCO", "C"));
  EXPECT_EQ(list.records[1].record, 8);
  EXPECT_EQ(list.skipped.count, 4);
  EXPECT_THAT(list.skipped.summary(), AllOf(HasSubstr("'Cl'"), HasSubstr("no SMILES"), HasSubstr("valence"), HasSubstr("pieces")));
  EXPECT_THAT([] { smiles_of("a.smi", "CCCC\nCCCC(\n", {OnError::fail, 29, true, 3}); }, ThrowsMessage<DataError>(HasSubstr("record 2")));
  const SmilesList small = smiles_of("a.smi", "CCCCCC\nC\n", {OnError::skip, 19, true, 3});
  EXPECT_EQ(small.skipped.count, 1) << "20 atoms are wrong before six heavy ones are too many";
}

TEST(Files, WithPositionsLeaveOutWhatIsTooHeavy) {
  const ReadOptions options{OnError::fail, 29, true, 1};
  const Atoms heavy{{6, 8, 1, 1}, {{0, 0, 0}, {0, 0, 1.21}, {0.943, 0, -0.545}, {-0.943, 0, -0.545}}};
  EXPECT_THAT(read_text(read_xyz, "a.xyz", to_xyz(heavy) + kWater, options).record, ElementsAre(2));
  EXPECT_THAT(read_text(read_sdf, "a.sdf", to_sdf(heavy) + to_sdf(testing::water()), options).record, ElementsAre(2));
}

TEST(Files, ThatCannotBeReadAreNamed) {
  const TempFolder folder;
  EXPECT_THAT([&] { read_xyz(folder / "none.xyz", kSkip); }, ThrowsMessage<DataError>(AllOf(HasSubstr("none.xyz"), HasSubstr("opened"))));
  EXPECT_THAT([&] { read_sdf(folder.path(), kSkip); }, ThrowsMessage<DataError>(HasSubstr("is a directory")));
  EXPECT_THAT([&] { read_molecules(folder / "a.pdb", kSkip); }, ThrowsMessage<DataError>(HasSubstr(".xyz, .sdf or .mol")));
  write_gzip(folder / "whole.gz", kWater + kWater);
  const std::string packed = read_file(folder / "whole.gz");
  write_file(folder / "cut.xyz.gz", packed.substr(0, packed.size() - 12));
  EXPECT_THAT([&] { read_xyz(folder / "cut.xyz.gz", kSkip); }, ThrowsMessage<DataError>(HasSubstr("cut off")));
  write_file(folder / "binary.smi", std::string(3 << 20, 'C'));
  EXPECT_THAT([&] { read_smiles(folder / "binary.smi", kSkip); }, ThrowsMessage<DataError>(HasSubstr("no text file")));
}

// 300 MB of blank lines in 300 kB.
TEST(Files, ThatWouldFillTheMemoryAreRefused) {
  const TempFolder folder;
  std::string lines(300'000'000, ' ');
  for (std::size_t at = 999; at < lines.size(); at += 1000) lines[at] = '\n';
  for (const std::string name : {"a.smi.gz", "a.xyz.gz", "a.sdf.gz"}) {
    write_gzip(folder / name, lines);
    const auto read = [&] { name == "a.smi.gz" ? (void)read_smiles(folder / name, kSkip) : (void)read_molecules(folder / name, kSkip); };
    EXPECT_THAT(read, ThrowsMessage<DataError>(HasSubstr(name + ": unpacks to more than 268435456 bytes")));
  }
}

// Whatever a file holds, a reader gives molecules and counts, or throws DataError.
TEST(Files, OfAnyBytesNeverCrashAReader) {
  std::mt19937 random(11);
  const TempFolder folder;
  const std::string sdf = to_sdf(testing::methane()) + to_sdf(testing::water()), xyz = to_xyz(testing::methane()) + kWater;
  const std::string smiles = "CC(C)=O\n[NH3+]CC([O-])=O\nc1cc[nH]c1\nC1CC1%12CC%12\nF/C=C/F\n";
  const auto hurt = [&](std::string text) {
    for (int k = 0; k < 3; ++k) {
      const std::size_t at = random() % text.size();
      if (random() % 3 == 0)
        text.erase(at, random() % 9);
      else if (random() % 2 == 0)
        text.insert(at, 1, static_cast<char>(random() % 256));
      else
        text[at] = static_cast<char>(random() % 256);
    }
    return text;
  };
  for (int round = 0; round < 400; ++round) {
    write_file(folder / "a.sdf", hurt(sdf));
    write_file(folder / "a.xyz", hurt(xyz));
    write_file(folder / "a.smi", hurt(smiles));
    EXPECT_LE(read_sdf(folder / "a.sdf", kSkip).atoms.size(), 4U);
    EXPECT_LE(read_xyz(folder / "a.xyz", kSkip).atoms.size(), 4U);
    EXPECT_LE(read_smiles(folder / "a.smi", kSkip, 1).records.size(), 9U);
  }
}

}  // namespace
}  // namespace espalier::chem
