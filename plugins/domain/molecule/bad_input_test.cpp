#include <gmock/gmock.h>

#include <cstdlib>

#include "plugins/domain/molecule/test_files.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/notes.h"

// Malformed files: refused with the file and the record, or skipped and counted.
namespace espalier::molecule {
namespace {

using conformance::Options;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const std::string kWater = "3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n";

struct Bad {
  std::string name;
  std::string source, file;
  std::string bytes;   // one good record, then a bad one, and for the readers' sake another good one
  std::string record;  // how the message names the record
  std::string reason;
};

class BadRecord : public ::testing::TestWithParam<Bad> {
 protected:
  Options options(const std::string& on_error) const {
    write_file(folder_ / GetParam().file, GetParam().bytes);
    return {{"source", GetParam().source}, {"data", (folder_ / GetParam().file).string()}, {"max_atoms", 11}, {"on_error", on_error}};
  }
  TempFolder folder_;
};

TEST_P(BadRecord, IsNamed) {
  EXPECT_THAT([&] { opened(options("fail"), folder_.path()); },
              ThrowsMessage<DataError>(AllOf(HasSubstr(GetParam().file), HasSubstr(GetParam().record), HasSubstr(GetParam().reason))));
}

TEST_P(BadRecord, IsSkippedAndCounted) {
  ::testing::internal::CaptureStderr();
  const auto domain = opened(options("skip"), folder_.path());
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, AllOf(HasSubstr("1 skipped"), HasSubstr(GetParam().record), HasSubstr(GetParam().reason)));
  EXPECT_THAT(notes_of(*domain), ::testing::ElementsAre(AllOf(HasSubstr("1 skipped"), HasSubstr(GetParam().record))));
  EXPECT_EQ(domain->data().examples("train")->distinct(), 2);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRecord,
    ::testing::Values(Bad{"UnclosedBranch", "smiles", "l.smi", "C\nC(C\nO\n", "record 2", "C(C"},
                      Bad{"Valence", "smiles", "l.smi", "C\nC(C)(C)(C)(C)C\nO\n", "record 2", "valence"},
                      Bad{"Element", "smiles", "l.smi", "C\nCCl\nO\n", "record 2", "'Cl' is none of H, C, N, O, F"},
                      Bad{"Pieces", "smiles", "l.smi", "C\nC.C\nO\n", "record 2", "in 2 pieces"},
                      Bad{"TooLarge", "smiles", "l.smi", "C\nCCCC\nO\n", "record 2", "14 atoms with its hydrogens, over max_atoms = 11"},
                      Bad{"EmptyCell", "smiles", "l.csv", "id,smiles\n1,C\n2,\n3,O\n", "record 2", "is empty"},
                      Bad{"XyzWithoutNumbers", "xyz", "l.xyz", kWater + "1\n\nO 0 zero 0\n" + kWater, "record 2", "O 0 zero 0"},
                      Bad{"XyzNan", "xyz", "l.xyz", kWater + "3\n\nO 0 0 nan\nH 0.96 0 0\nH -0.24 0.93 0\n" + kWater, "record 2",
                          "(0, 0, nan)"},
                      Bad{"XyzElement", "xyz", "l.xyz", kWater + "1\n\nXe 0 0 0\n" + kWater, "record 2", "Xe"},
                      Bad{"XyzEmpty", "xyz", "l.xyz", kWater + "0\n\n" + kWater, "record 2", "no atoms"},
                      Bad{"XyzShort", "xyz", "l.xyz", kWater + "4\n\nO 0 0 0\n" + kWater, "record 2", "atoms promised"},
                      Bad{"XyzFarApart", "xyz", "l.xyz", kWater + "2\n\nO 0 0 0\nH 9 0 0\n" + kWater, "record 2", "in 2 pieces"},
                      Bad{"SdfOfNothing", "sdf", "l.sdf",
                          [] {
                            const std::string head = "\n  x\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n";
                            const std::string atoms =
                                "    0.0000    0.0000    0.0000 O   0  0\n    0.9600    0.0000    0.0000 H   0  0\n"
                                "   -0.2400    0.9300    0.5000 H   0  0\n";
                            const std::string good = head + atoms + "  1  2  1  0\n  1  3  1  0\nM  END\n$$$$\n";
                            return good + "\n  x\n\n  no counts here\nM  END\n$$$$\n" + good;
                          }(),
                          "record 2", "l.sdf"}),
    [](const auto& bad) { return bad.param.name; });

class BadFile : public ::testing::Test {
 protected:
  void open(const std::string& source, const std::string& data) const { opened({{"source", source}, {"data", data}}, folder_.path()); }
  TempFolder folder_;
};

TEST_F(BadFile, Missing) {
  EXPECT_THAT([&] { open("smiles", "no_such_set"); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("domain.molecule: data = \"no_such_set\""), HasSubstr("ESPALIER_DATA"))));
}

TEST_F(BadFile, Empty) {
  write_file(folder_ / "empty.smi", "");
  write_file(folder_ / "empty.xyz", "");
  EXPECT_THAT([&] { open("smiles", folder_ / "empty.smi"); }, ThrowsMessage<DataError>(HasSubstr("no molecule is left")));
  EXPECT_THAT([&] { open("xyz", folder_ / "empty.xyz"); }, ThrowsMessage<DataError>(HasSubstr("no molecule is left")));
}

TEST_F(BadFile, NothingLeftSaysWhy) {
  write_file(folder_ / "l.smi", "CCl\nCBr\n");
  EXPECT_THAT([&] { opened({{"source", "smiles"}, {"data", (folder_ / "l.smi").string()}, {"on_error", "skip"}}, folder_.path()); },
              ThrowsMessage<DataError>(AllOf(HasSubstr("2 skipped"), HasSubstr("record 1"))));
}

TEST_F(BadFile, AFolderWithoutMolecules) {
  write_file(folder_ / "notes.txt", "C\n");
  EXPECT_THAT([&] { open("smiles", folder_.path()); }, ThrowsMessage<DataError>(HasSubstr("holds no file for source")));
}

TEST_F(BadFile, BinaryAndDamagedGzip) {
  write_file(folder_ / "l.smi", std::string("\x00\x01\x02\xff\n\x7f", 6));
  EXPECT_THAT([&] { open("smiles", folder_ / "l.smi"); }, ThrowsMessage<DataError>(HasSubstr("l.smi")));
  write_file(folder_ / "l.smi.gz", std::string("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage", 17));
  EXPECT_THAT([&] { open("smiles", folder_ / "l.smi.gz"); }, ThrowsMessage<DataError>(HasSubstr("l.smi.gz")));
}

TEST_F(BadFile, EverythingHeldOut) {
  write_file(folder_ / "l.smi", "C\nO\n");
  EXPECT_THAT([&] { opened({{"source", "smiles"}, {"data", (folder_ / "l.smi").string()}, {"held_out_fraction", 0.9}}, folder_.path()); },
              ThrowsMessage<ConfigError>(HasSubstr("holds out all 2")));
}

// Inside a folder of data sets a set's name is enough, and a file may be named in it.
TEST_F(BadFile, ADataSetsName) {
  make_folders(folder_ / "tiny_set");
  write_file(folder_ / "tiny_set/list.csv", "smiles\nC\nO\n");
  const char* before = std::getenv("ESPALIER_DATA");
  const std::string kept = before == nullptr ? "" : before;
  setenv("ESPALIER_DATA", folder_.path().c_str(), 1);
  for (const char* data : {"tiny_set", "tiny_set/list.csv"}) {
    EXPECT_EQ(opened({{"source", "smiles"}, {"data", data}}, folder_.path())->data().examples("train")->distinct(), 2) << data;
  }
  if (before == nullptr) unsetenv("ESPALIER_DATA");
  if (before != nullptr) setenv("ESPALIER_DATA", kept.c_str(), 1);
}

}  // namespace
}  // namespace espalier::molecule
