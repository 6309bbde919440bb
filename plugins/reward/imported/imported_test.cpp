#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "runtime/base/files.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr const char* kReward = "reward.imported";
constexpr const char* kSet = R"("scored_set": {"set": "aa", "decoder": "bb", "count": 4})";

class Imported : public ::testing::Test {
 protected:
  ~Imported() override { fs::remove(path_); }
  std::string file(const std::string& rest, const std::string& format = "espalier scores 1") const {
    std::ofstream(path_) << "{\"format\": \"" << format << "\", " << rest << "}";
    return path_.string();
  }
  std::unique_ptr<Reward> reward(const std::string& path) const { return make<Reward>(plugin(kReward), {{"file", path}}); }
  static at::Tensor scores(const Reward& reward, std::vector<std::int64_t> index) {
    const Sample sample{"image", {}, {}};
    const std::vector<Value> metadata(index.size());
    const std::vector<std::string> text(index.size());
    return reward.score({sample, metadata, text, std::move(index)});
  }
  fs::path path_ = fs::path(::testing::TempDir()) / ("espalier-" + unique_name() + ".json");
};

TEST_F(Imported, Conforms) {
  RewardSamples samples;
  samples.sample.kind = "image";
  samples.metadata.resize(4);
  samples.text.resize(4);
  check_reward(plugin(kReward), {{"file", file(std::string(kSet) + R"(, "scores": [0.5, null, -2, 1e-3])")}}, samples);
}

TEST_F(Imported, GivesEachTrajectoryItsScore) {
  const auto own = reward(file(std::string(kSet) + R"(, "scores": [0.5, null, -2, 1e-3])"));
  own->check();
  const auto domain = toy_domain();
  own->open({*domain, nullptr});
  const auto found = scores(*own, {3, 0, 1, 2, 4});
  EXPECT_EQ(found[0].item<double>(), 1e-3);
  EXPECT_EQ(found[1].item<double>(), 0.5);
  EXPECT_TRUE(std::isnan(found[2].item<double>())) << "null";
  EXPECT_EQ(found[3].item<double>(), -2.0);
  EXPECT_TRUE(std::isnan(found[4].item<double>())) << "beyond the view that was exported";
}

TEST_F(Imported, IsIdentifiedByTheSetAndTheScoresAlone) {
  const auto identity = [&](const std::string& rest) { return reward(file(rest))->identity(); };
  const auto first = identity(std::string(kSet) + R"(, "results": ["a.csv"], "scores": [0.5, null, -2, 1])");
  EXPECT_EQ(first.at("scored_set").at("set"), Value("aa"));
  EXPECT_EQ(first, identity(std::string(kSet) + R"(, "results": ["b.csv"], "scores": [0.5, null, -2, 1])"));
  EXPECT_NE(first, identity(std::string(kSet) + R"(, "scores": [0.5, 0.0, -2, 1])"));
  EXPECT_NE(first, identity(R"("scored_set": {"set": "ab", "decoder": "bb", "count": 4}, "scores": [0.5, null, -2, 1])"));
}

TEST_F(Imported, RefusesWhatIsNoFileOfScores) {
  const auto refused = [&](const std::string& path, const std::string& message) {
    EXPECT_THAT([&] { reward(path)->check(); }, ThrowsMessage<DataError>(HasSubstr(message)));
  };
  refused(file(std::string(kSet) + R"(, "scores": [])", "espalier scores 2"),
          "is no file of scores, whose \"format\" is \"espalier scores 1\"");
  refused(file(R"("scored_set": {"set": "aa"}, "scores": [])"), "'scored_set' has not");
  refused(file(std::string(kSet) + R"(, "scores": [1.0])"), "is no list of 4 entries");
  refused(file(std::string(kSet) + R"(, "scores": [1.0, "nan", 2.0, 3.0])"), "'scores' holds \"nan\"");
  refused("nowhere.json", "nowhere.json");
}

TEST_F(Imported, NeedsTheNumbersOfTheTrajectories) {
  const auto own = reward(file(std::string(kSet) + R"(, "scores": [0.5, null, -2, 1])"));
  const Sample sample{"image", {}, {}};
  const std::vector<Value> metadata(1);
  const std::vector<std::string> text(1);
  EXPECT_THAT([&] { own->score({sample, metadata, text}); }, ThrowsMessage<StageError>(HasSubstr("needs the numbers of the trajectories")));
}

}  // namespace
}  // namespace espalier::conformance
