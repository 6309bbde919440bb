// The event files as the tensorboard package reads them.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "runtime/report/tensorboard.h"
#include "tests/runtime/report/fixture.h"
#include "tests/runtime/report/other_program.h"

namespace espalier::report {
namespace {

constexpr int kSkipped = 77;  // as set for ctest in tests/runtime/report/CMakeLists.txt

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The Python that scripts/setup --peers installs ($ESPALIER_PEERS names its environment's folder), or "".
std::string peers_python() {
  std::filesystem::path folder = environment("ESPALIER_PEERS");
  if (folder.empty() && !environment("ESPALIER_HOME").empty()) folder = environment("ESPALIER_HOME") + "/peers";
  if (folder.empty()) folder = environment("HOME") + "/.cache/espalier/peers";
  const auto python = std::filesystem::is_directory(folder) ? folder / "bin" / "python" : folder;
  return std::filesystem::exists(python) ? python.string() : "";
}

TEST(TensorBoardPackage, ReadsBackEveryCurveScalarAndImage) {
  const TempFolder temp;
  const auto record = fixture();
  write_tensorboard(record, temp.path() / "tensorboard");
  const auto output = run_program(
      {peers_python(), ESPALIER_SOURCE_DIR "/tests/runtime/report/read_events.py", (temp.path() / "tensorboard").string()}, temp.path());
  ASSERT_EQ(output.exit_code, 0) << output.err;
  const auto stages = nlohmann::json::parse(output.out);
  for (const auto& curve : record.curves) {
    const auto& events = stages.at(curve.stage).at(curve.name);
    ASSERT_EQ(events.size(), curve.step.size());
    for (std::size_t i = 0; i < curve.step.size(); ++i) {
      EXPECT_EQ(events[i].at("step"), curve.step[i]);
      EXPECT_EQ(events[i].at("value").get<float>(), static_cast<float>(curve.value[i]));
    }
  }
  EXPECT_EQ(stages.at("pgraft_result").at("held_out_gain")[0].at("value").get<float>(), 0.056F);
  EXPECT_EQ(stages.at("pgraft_result").at("held_out_gain/low")[0].at("value").get<float>(), 0.037F);
  EXPECT_FALSE(stages.at("base_result").contains("invalid_fraction/low"));
  EXPECT_EQ(stages.at("graft_result").at("worst")[0].at("size"), nlohmann::json::array({24, 24}));
  // 2026-01-31T12:00:00Z, and when each step was made; where that is not recorded, the stage's start.
  EXPECT_EQ(stages.at("pgraft").at("loss")[0].at("wall_time"), 1769860800.0 + 201.6 + 0.25);
  EXPECT_EQ(stages.at("pgraft").at("loss")[799].at("wall_time"), 1769860800.0 + 201.6 + 200.0);
  EXPECT_EQ(stages.at("pgraft").at("learning_rate")[799].at("wall_time"), 1769860800.0 + 201.6);
  EXPECT_EQ(stages.at("base_result").at("invalid_fraction")[0].at("wall_time"), 1769860800.0 + 398.5);
}

}  // namespace
}  // namespace espalier::report

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const auto python = espalier::report::peers_python();
  const espalier::report::TempFolder temp;
  if (python.empty() || espalier::report::run_program({python, "-c", "import tensorboard"}, temp.path()).exit_code != 0) {
    std::puts("skipped: no Python with the tensorboard package (scripts/setup --peers)");
    return espalier::report::kSkipped;
  }
  return RUN_ALL_TESTS();
}
