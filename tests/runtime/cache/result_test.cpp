#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/cache/sealed.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

class Results : public ::testing::Test {
 protected:
  testing::TempFolder folder;
  std::unique_ptr<Store> store = Store::open(folder.path());
  Value request = Value::Map{{"trainer", "trainer.sft"}, {"seed", 7}};
  Value info = Value::Map{{"loss", 0.125}, {"seconds", 12.5}};
  Hex key = digest(request);
  fs::path target = folder.path() / "results/model" / key.substr(0, 2) / key;

  bool publish(const std::string& weights) {
    const auto made = store->new_folder();
    fs::create_directories(made / "unet");
    testing::overwrite(made / "unet/weights.safetensors", weights);
    testing::overwrite(made / "model_index.json", "{}");
    return store->publish_result("model", key, request, info, made);
  }
};

TEST_F(Results, ArePublishedWholeAndRead) {
  EXPECT_TRUE(publish("weights"));
  const auto entry = store->verified_result("model", key);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->folder, target);
  EXPECT_EQ(testing::slurp(target / "unet/weights.safetensors"), "weights");
  const auto found = store->result("model", key);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->request, request);
  EXPECT_EQ(found->info, info);
  EXPECT_EQ(found->seconds, 12.5);
  EXPECT_EQ(store->requests("model"), std::vector<Value>{request});
  EXPECT_TRUE(store->requests("selection").empty());
  EXPECT_TRUE(store->verify(VerifyLevel::deep).empty());
}

TEST_F(Results, TheFirstOneStays) {
  EXPECT_TRUE(publish("first"));
  EXPECT_FALSE(publish("second"));
  EXPECT_EQ(testing::slurp(target / "unet/weights.safetensors"), "first");
}

TEST_F(Results, TheirDigestIsThatOfTheirFilesAndNotOfTheirInfo) {
  publish("weights");
  const auto first = store->result("model", key)->digest;
  key = digest(Value("another request"));
  info = Value::Map{{"loss", 0.5}};
  publish("weights");
  EXPECT_EQ(store->result("model", key)->digest, first);
  key = digest(Value("a third request"));
  publish("other weights");
  EXPECT_NE(store->result("model", key)->digest, first);
}

TEST_F(Results, ADamagedOneIsQuarantinedAndMadeAgain) {
  for (const auto* victim : {"unet/weights.safetensors", "model_index.json", "manifest.json"}) {
    publish("weights");
    auto bytes = testing::slurp(target / victim);
    bytes[0] = static_cast<char>(bytes[0] ^ 4);
    testing::overwrite(target / victim, bytes);
    EXPECT_EQ(store->verify(VerifyLevel::hash).size(), 1u) << victim;
    std::vector<Damage> damage;
    EXPECT_FALSE(store->verified_result("model", key, &damage)) << victim;
    EXPECT_EQ(damage.size(), 1u) << victim;
    EXPECT_FALSE(fs::exists(target)) << victim;
  }
  EXPECT_TRUE(publish("weights"));
  EXPECT_TRUE(store->verified_result("model", key));
}

// A disk that decays changes bytes and no time: what is used is hashed, even where a digest of the file is remembered.
TEST_F(Results, ARememberedDigestDoesNotHideDamage) {
  for (const auto* victim : {"unet/weights.safetensors", "model_index.json"}) {
    publish("weights");
    const auto path = target / victim;
    const auto right = digest_file(path);
    auto bytes = testing::slurp(path);
    bytes[0] = static_cast<char>(bytes[0] ^ 4);
    testing::overwrite(path, bytes);
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    const auto nanoseconds = [](const timespec& time) { return std::to_string(std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec); };
    const auto identity = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + ":" + std::to_string(status.st_size) + ":" +
                          nanoseconds(status.st_mtim) + ":" + nanoseconds(status.st_ctim);
    testing::overwrite(folder / "digests.json", seal(Value::Map{{identity, right}, {identity + ":bytes", right}}));
    store = Store::open(folder.path());
    std::vector<Damage> damage;
    EXPECT_FALSE(store->verified_result("model", key, &damage)) << victim;
    EXPECT_EQ(damage.size(), 1u) << victim;
    EXPECT_TRUE(publish("weights")) << "a remembered digest does not prevent publishing a sound one";
    EXPECT_TRUE(store->verified_result("model", key)) << victim;
    fs::remove_all(target);
  }
}

TEST_F(Results, AFileIsReadAsItWasCompared) {
  publish("weights");
  EXPECT_EQ(store->read_result("model", key, "unet/weights.safetensors"), "weights");
  EXPECT_FALSE(store->read_result("model", digest(Value("absent")), "model_index.json"));
  testing::overwrite(target / "unet/weights.safetensors", "Weights");
  std::vector<Damage> damage;
  EXPECT_EQ(store->read_result("model", key, "model_index.json", &damage), "{}") << "that file is sound";
  EXPECT_FALSE(store->read_result("model", key, "unet/weights.safetensors", &damage));
  EXPECT_EQ(damage.size(), 1u);
  EXPECT_FALSE(fs::exists(target));
}

TEST_F(Results, AnOldVerdictDoesNotQuarantineANewResult) {
  publish("weights");
  const auto judged = store->verified_result("model", key);
  ASSERT_TRUE(judged);
  std::vector<Damage> damage;
  store->quarantine_result("model", key, *judged, "another model", &damage);
  EXPECT_EQ(damage.size(), 1u);
  EXPECT_FALSE(fs::exists(target));
  publish("weights");
  store->quarantine_result("model", key, *judged, "another model", &damage);
  EXPECT_EQ(damage.size(), 1u);
  EXPECT_TRUE(store->verified_result("model", key));
}

TEST_F(Results, PublishingOverADamagedOneReplacesIt) {
  publish("weights");
  testing::overwrite(target / "model_index.json", "[]");
  EXPECT_TRUE(publish("weights"));
  EXPECT_TRUE(store->verified_result("model", key));
}

TEST_F(Results, AMissingFileIsDamage) {
  publish("weights");
  fs::remove(target / "unet/weights.safetensors");
  EXPECT_EQ(store->verify(VerifyLevel::quick).size(), 1u);
  EXPECT_FALSE(store->verified_result("model", key));
}

TEST_F(Results, OfAnotherKeyAreDamage) {
  publish("weights");
  const auto other = digest(Value("other"));
  const auto there = folder.path() / "results/model" / other.substr(0, 2) / other;
  fs::create_directories(there.parent_path());
  fs::copy(target, there, fs::copy_options::recursive);
  std::vector<Damage> damage;
  EXPECT_FALSE(store->result("model", other));
  EXPECT_FALSE(store->verified_result("model", other, &damage));
  EXPECT_EQ(damage.size(), 1u);
}

TEST_F(Results, HoldRegularFilesOnly) {
  auto made = store->new_folder();
  fs::create_symlink("/etc/passwd", made / "link");
  EXPECT_THROW(store->publish_result("model", key, request, info, made), StageError);
  made = store->new_folder();
  testing::overwrite(made / "manifest.json", "{}");
  EXPECT_THROW(store->publish_result("model", key, request, info, made), StageError);
  EXPECT_THROW(store->publish_result("../model", key, request, info, store->new_folder()), InternalError);
  EXPECT_FALSE(fs::exists(folder / "results"));
}

TEST_F(Results, CheckpointsStayUntilRemoved) {
  const auto checkpoints = store->checkpoint_folder(key);
  testing::overwrite(checkpoints / "state.json", "{}");
  EXPECT_EQ(Store::open(folder.path())->checkpoint_folder(key), checkpoints);
  EXPECT_TRUE(fs::exists(checkpoints / "state.json"));
  store->remove_checkpoints(key);
  EXPECT_FALSE(fs::exists(checkpoints));
  EXPECT_NO_THROW(store->remove_checkpoints(key));
}

}  // namespace
}  // namespace espalier::cache
