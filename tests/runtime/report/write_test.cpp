#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/report/files.h"
#include "runtime/report/report.h"
#include "tests/runtime/report/fixture.h"

namespace espalier::report {
namespace {

std::vector<nlohmann::json> lines_of(const std::filesystem::path& path) {
  std::vector<nlohmann::json> out;
  std::istringstream text(read_file(path));
  for (std::string line; std::getline(text, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

TEST(Write, PutsEachPartInTheRunsFolder) {
  const TempFolder temp;
  const auto run = temp.path() / "runs" / "x";
  EXPECT_EQ(write(fixture(), run), run / "report.html");
  for (const auto* part : {"report.html", "report.json", "samples/metadata.jsonl", "tensorboard/pgraft"}) {
    EXPECT_TRUE(std::filesystem::exists(run / part)) << part;
  }
}

TEST(Write, NeverWritesOverAReport) {
  const TempFolder temp;
  EXPECT_THROW(write(fixture(), temp.path()), StageError);
}

TEST(Write, ListsEverySampleWithItsPromptAndReward) {
  const TempFolder temp;
  const auto record = fixture();
  write(record, temp.path() / "run");
  const auto folder = temp.path() / "run" / "samples";
  const auto all = lines_of(folder / "metadata.jsonl");
  ASSERT_EQ(all.size(), record.samples.size());
  EXPECT_EQ(all[8].at("text"), kHostile);
  EXPECT_EQ(all[9].at("reward"), 0.375);
  EXPECT_TRUE(all.back().at("reward").is_null());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto file = folder / all[i].at("file_name").get<std::string>();
    EXPECT_EQ(decode_png(read_file(file), file.string()).rgb, record.samples[i].image.rgb);
  }
}

TEST(Write, PartsJudgedSamplesIntoAcceptedAndRejected) {
  const TempFolder temp;
  write(fixture(), temp.path() / "run");
  const auto accepted = lines_of(temp.path() / "run/samples/accepted.jsonl");
  const auto rejected = lines_of(temp.path() / "run/samples/rejected.jsonl");
  ASSERT_EQ(accepted.size(), 12U);
  ASSERT_EQ(rejected.size(), 12U);
  for (const auto& line : accepted) EXPECT_EQ(line.at("reward"), 1.0);
  for (const auto& line : rejected) EXPECT_EQ(line.at("reward"), 0.375);
}

TEST(Write, KeepsEveryTagInsideTheRunsFolder) {
  EXPECT_EQ(folder_name("pgraft_0.25"), "pgraft_0.25");
  EXPECT_EQ(folder_name(".."), "%2e.");
  EXPECT_EQ(folder_name("../../etc"), "%2e.%2f..%2fetc");
  EXPECT_EQ(folder_name("a%2fb"), "a%252fb");
}

TEST(Write, NamesTheFileThatCouldNotBeWritten) {
  try {
    write_file("/proc/espalier/x", "y");
    FAIL() << "written";
  } catch (const StageError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("/proc/espalier/x: the report could not be written (No such file"));
  }
}

}  // namespace
}  // namespace espalier::report
