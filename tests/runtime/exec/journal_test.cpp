#include "runtime/exec/journal.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>
#include <limits>
#include <stdexcept>

#include "runtime/base/errors.h"
#include "runtime/cache/sealed.h"
#include "tests/runtime/base/folder.h"

namespace espalier::exec {
namespace {

namespace fs = std::filesystem;
using testing::AllOf, testing::ElementsAre, testing::HasSubstr, testing::IsEmpty;

class Said final : public Progress {
 public:
  void begin(const std::string&, std::int64_t, const std::string&, std::int64_t) override {}
  void advance(std::int64_t, const std::string&) override {}
  void end() override {}
  void say(const std::string& line) override { lines.push_back(line); }
  std::vector<std::string> lines;
};

const Hex kModel(64, 'a');
constexpr std::int64_t kLastStep = 100;

Checkpoint checkpoint_at(std::int64_t step) {
  Checkpoint checkpoint;
  checkpoint.step = step;
  checkpoint.state["loss_sum"] = static_cast<double>(step) + 0.1;
  checkpoint.tensors["model"]["unet.weight"] = at::full({2, 3}, static_cast<double>(step));
  checkpoint.tensors["optimizer"]["unet.weight.step"] = at::full({}, static_cast<double>(step));
  return checkpoint;
}

// Where there is one.
Checkpoint newest_of(TrainingJournal& journal) {
  auto found = journal.newest();
  if (!found) throw std::logic_error("there is no checkpoint");
  return *std::move(found);
}

class Journal : public testing::Test {
 protected:
  // A new journal each time, as in a new process.
  TrainingJournal open(const Training& training = {kModel, kLastStep}) { return {folder_.path() / "key", training, said_}; }
  void save(std::int64_t step) {
    auto journal = open();
    journal.save(checkpoint_at(step));
  }
  std::int64_t newest_step() {
    auto journal = open();
    const auto found = journal.newest();
    return found ? found->step : -1;
  }
  fs::path at(std::int64_t step) const { return folder_.path() / "key" / ("checkpoint-" + std::to_string(step)); }
  std::vector<std::string> folders() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path() / "key")) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }
  static void flip_a_bit(const fs::path& file) {
    auto bytes = read_file(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    rewrite(file, bytes);
  }
  static void rewrite(const fs::path& file, const std::string& bytes) {
    fs::remove(file);
    std::ofstream(file, std::ios::binary) << bytes;
  }

  TemporaryFolder folder_;
  Said said_;
};

TEST_F(Journal, HasNoCheckpointBeforeTheFirst) {
  EXPECT_EQ(newest_step(), -1);
  EXPECT_THAT(said_.lines, IsEmpty());
}

TEST_F(Journal, GivesBackWhatWasSaved) {
  save(10);
  auto journal = open();
  const auto found = newest_of(journal);
  const auto saved = checkpoint_at(10);
  EXPECT_EQ(found.step, 10);
  EXPECT_EQ(found.state.at("loss_sum"), saved.state.at("loss_sum"));
  ASSERT_EQ(found.tensors.size(), 2u);
  EXPECT_TRUE(at::equal(found.tensors.at("model").at("unet.weight"), saved.tensors.at("model").at("unet.weight")));
  EXPECT_EQ(found.tensors.at("optimizer").at("unet.weight.step").dim(), 0);
}

TEST_F(Journal, KeepsTheNewestTwo) {
  for (const std::int64_t step : {5, 10, 90, 100}) save(step);
  EXPECT_THAT(folders(), ElementsAre("checkpoint-100", "checkpoint-90"));
  EXPECT_EQ(newest_step(), 100);
}

TEST_F(Journal, PassesOverAnAttemptThatWasKilled) {
  save(10);
  save(20);
  fs::remove(at(20) / "manifest.json");  // linked last: without it the checkpoint does not exist
  EXPECT_EQ(newest_step(), 10);
  EXPECT_THAT(said_.lines, IsEmpty());
  save(20);
  EXPECT_EQ(newest_step(), 20);
}

TEST_F(Journal, FallsBackPastADamagedCheckpointAndReportsIt) {
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"}) {
    SCOPED_TRACE(file);
    save(10);
    save(20);
    flip_a_bit(at(20) / file);
    EXPECT_EQ(newest_step(), 10);
    EXPECT_THAT(said_.lines, ElementsAre(AllOf(HasSubstr("is damaged or another training's"), HasSubstr("checkpoint-20/"))));
    said_.lines.clear();
    fs::remove_all(folder_.path() / "key");
  }
}

// What a manifest names is what it stands for: a folder that was moved here, or is beyond the end, is none of this training's.
TEST_F(Journal, FallsBackPastTheCheckpointOfAnotherTraining) {
  save(10);
  for (const auto& [training, what] : {std::pair{Training{Hex(64, 'b'), kLastStep}, "is of the model " + Hex(64, 'b')},
                                       {Training{kModel, 200}, "is of a training of 200 steps, not 100"}}) {
    auto other = open(training);
    other.save(checkpoint_at(20));
    EXPECT_EQ(newest_step(), 10);
    EXPECT_THAT(said_.lines, ElementsAre(AllOf(HasSubstr("checkpoint-20/"), HasSubstr(what))));
    said_.lines.clear();
    fs::remove_all(at(20));
  }
  save(20);
  fs::rename(at(20), at(101));
  EXPECT_EQ(newest_step(), 10);
  EXPECT_THAT(said_.lines, ElementsAre(HasSubstr("is of step 20")));
}

TEST_F(Journal, RefusesToSaveWhatIsNoStepOfTheTraining) {
  for (const std::int64_t step : {0, 101}) EXPECT_THROW(save(step), PluginError) << step;
}

// With its seal made anew: a folder copied in part may have a sound seal.
TEST_F(Journal, FallsBackPastAManifestThatLacksAFileOrNamesAnother) {
  const auto without = [](Value::Map& files, const std::string& name) { files.erase(name); };
  const std::vector<std::pair<std::string, std::function<void(Value::Map&)>>> changes = {
      {"names the files [\"model\"]", [&](Value::Map& files) { without(files, "optimizer.safetensors"); }},
      {"names no state.json", [&](Value::Map& files) { without(files, "state.json"); }},
      {"outside its folder", [&](Value::Map& files) { files["../checkpoint-10/model.safetensors"] = files.at("model.safetensors"); }},
  };
  for (const auto& [what, change] : changes) {
    save(10);
    save(20);
    auto manifest = cache::unseal(read_file(at(20) / "manifest.json"), "manifest").as_map();
    auto files = manifest.at("files").as_map();
    change(files);
    manifest["files"] = files;
    rewrite(at(20) / "manifest.json", cache::seal(manifest));
    EXPECT_EQ(newest_step(), 10) << what;
    EXPECT_THAT(said_.lines, ElementsAre(HasSubstr(what)));
    said_.lines.clear();
  }
}

TEST_F(Journal, FallsBackPastWhatIsNoFile) {
  for (const char* name : {"model.safetensors", "state.json", "manifest.json"}) {
    save(10);
    save(20);
    fs::remove(at(20) / name);
    ASSERT_EQ(::mkfifo((at(20) / name).c_str(), 0600), 0);  // reading it would wait for a writer
    EXPECT_EQ(newest_step(), 10) << name;
    EXPECT_THAT(said_.lines, ElementsAre(HasSubstr("is a pipe, not a regular file")));
    said_.lines.clear();
  }
}

TEST_F(Journal, CountsTheSecondsOfAllAttempts) {
  save(10);
  {
    auto state = parse_json(read_file(at(10) / "state.json"), "state");
    auto own = state.at("journal").as_map();
    EXPECT_GE(own.at("seconds").as_number(), 0.0);
    own["seconds"] = 1000.0;
    state["journal"] = own;
    rewrite(at(10) / "state.json", to_json(state));
    auto manifest = cache::unseal(read_file(at(10) / "manifest.json"), "manifest").as_map();
    auto files = manifest.at("files").as_map();
    const auto bytes = read_file(at(10) / "state.json");
    files["state.json"] = Value::Map{{"bytes", static_cast<std::int64_t>(bytes.size())}, {"sha256", sha256(bytes)}};
    manifest["files"] = files;
    rewrite(at(10) / "manifest.json", cache::seal(manifest));
  }
  auto second = open();
  EXPECT_EQ(second.earlier_seconds(), 0.0);
  newest_of(second);
  EXPECT_EQ(second.earlier_seconds(), 1000.0);
  second.save(checkpoint_at(20));
  auto third = open();
  newest_of(third);
  EXPECT_GE(third.earlier_seconds(), 1000.0);
}

TEST_F(Journal, FallsBackPastAMissingOrShortFile) {
  for (const bool missing : {true, false}) {
    save(10);
    save(20);
    const auto file = at(20) / "model.safetensors";
    const auto bytes = read_file(file);
    fs::remove(file);
    if (!missing) rewrite(file, bytes.substr(0, bytes.size() - 1));
    EXPECT_EQ(newest_step(), 10);
    EXPECT_THAT(said_.lines, ElementsAre(HasSubstr("model.safetensors")));
    said_.lines.clear();
    fs::remove_all(folder_.path() / "key");
  }
}

TEST_F(Journal, StartsAnewWhereEveryCheckpointIsDamaged) {
  save(10);
  save(20);
  for (const std::int64_t step : {10, 20}) flip_a_bit(at(step) / "model.safetensors");
  EXPECT_EQ(newest_step(), -1);
  EXPECT_EQ(said_.lines.size(), 2u);
}

TEST_F(Journal, KeepsWhatIsSavedBelowDamagedOnes) {
  save(20);
  save(30);
  for (const std::int64_t step : {20, 30}) flip_a_bit(at(step) / "model.safetensors");
  ASSERT_EQ(newest_step(), -1);
  save(10);  // training went back to the start
  EXPECT_EQ(newest_step(), 10);
  save(15);
  EXPECT_EQ(newest_step(), 15);
  flip_a_bit(at(15) / "model.safetensors");
  EXPECT_EQ(newest_step(), 10) << "the newest two that are sound are kept";
}

TEST_F(Journal, CurvesSurviveWithoutHoleOrTwin) {
  {
    auto journal = open();
    journal.scalar("loss", 1, 0.5);
    journal.scalar("learning_rate", 1, 1e-4);
    journal.scalar("loss", 2, 0.1 + 0.2);
    journal.save(checkpoint_at(2));
    journal.scalar("loss", 3, 9.0);  // lost with the process: training goes back to step 2
  }
  auto journal = open();
  newest_of(journal);
  journal.scalar("loss", 3, std::numeric_limits<double>::infinity());
  ASSERT_EQ(journal.curves().size(), 2u);
  EXPECT_EQ(journal.curves()[0].name, "loss");
  EXPECT_THAT(journal.curves()[0].step, ElementsAre(1, 2, 3));
  EXPECT_THAT(journal.curves()[0].value, ElementsAre(0.5, 0.1 + 0.2, std::numeric_limits<double>::infinity()));
  EXPECT_THAT(journal.curves()[1].value, ElementsAre(1e-4));
  const auto again = curves_from(parse_json(to_json(curves_value(journal.curves())), "curves"), "tuned");
  EXPECT_EQ(again[0].stage, "tuned");
  EXPECT_EQ(again[0].value, journal.curves()[0].value);
}

TEST_F(Journal, PointsKeepTheTimesAtWhichTheyWereComputed) {
  const double began = seconds_since_1970();
  {
    auto journal = open();
    journal.scalar("loss", 1, 0.5);
    journal.scalar("loss", 2, 0.25);
    journal.save(checkpoint_at(2));
  }
  const double stopped = seconds_since_1970();
  auto journal = open();
  newest_of(journal);
  journal.scalar("loss", 3, 0.125);
  const auto times = journal.curves().front().time;
  ASSERT_EQ(times.size(), 3u);
  EXPECT_THAT(times[0], testing::AllOf(testing::Ge(began), testing::Le(times[1])));
  EXPECT_LE(times[1], stopped);
  EXPECT_GE(times[2], stopped);
  EXPECT_THAT(curves_from(curves_value(journal.curves()), "")[0].time, testing::ContainerEq(times));
}

TEST_F(Journal, CurvesOfAnOlderResultHaveNoTimes) {
  const auto old = parse_json(R"([{"name": "loss", "step": [1, 2], "value": [0.5, 0.25]}])", "old");
  EXPECT_THAT(curves_from(old, "tuned").front().time, ElementsAre(testing::IsNan(), testing::IsNan()));
}

TEST_F(Journal, CurvesGoBackWithADamagedCheckpoint) {
  auto journal = open();
  journal.scalar("loss", 1, 0.5);
  journal.save(checkpoint_at(1));
  journal.scalar("loss", 2, 0.25);
  journal.save(checkpoint_at(2));
  flip_a_bit(at(2) / "model.safetensors");
  auto resumed = open();
  EXPECT_EQ(newest_of(resumed).step, 1);
  EXPECT_THAT(resumed.curves().front().step, ElementsAre(1));
}

}  // namespace
}  // namespace espalier::exec
