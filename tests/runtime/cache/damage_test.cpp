#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <random>

#include "runtime/base/errors.h"
#include "tests/runtime/cache/folder.h"
#include "tests/runtime/cache/samples.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;
using testing::block;
using testing::provenance;

constexpr std::uint64_t kBlocks = 3;
constexpr int kDamages = 500;

// A cache with two sets of the same shape (to swap between), blocks of two layers, scores and a model.
struct World {
  testing::TempFolder folder{/*in_memory=*/true};
  Hex set = digest(testing::recipe());
  Hex other = digest(testing::recipe(8));
  Value score_request = Value::Map{{"reward", "shape_checker"}};
  Value model_request = Value::Map{{"trainer", "sft"}};
  Hex score = digest(score_request);
  Hex model = digest(model_request);

  // Publishes whatever is not there.
  void fill() const {
    const auto store = Store::open(folder.path());
    for (const std::int64_t seed : {7, 8}) fill_set(*store, seed);
    for (std::uint64_t number = 0; number < kBlocks; ++number) {
      if (store->score_blocks(set, score).contains(number)) continue;
      store->publish_scores(set, score, score_request, number, testing::scores(number), provenance());
    }
    if (store->result("model", model)) return;
    const auto made = store->new_folder();
    testing::overwrite(made / "weights.safetensors", std::string(9000, 'w'));
    testing::overwrite(made / "config.json", "{\"channels\": 32}");
    store->publish_result("model", model, model_request, Value::Map{{"loss", 0.5}}, made);
  }

  // As a run does with what it reuses, whatever it reads of it.
  void mend() const {
    const auto store = Store::open(folder.path());
    for (const std::int64_t seed : {7, 8}) store->mend_set(testing::recipe(seed), nullptr);
    store->mend_scores(set, score, score_request, nullptr);
    store->verified_result("model", model);
  }

  static void fill_set(Store& store, std::int64_t seed) {
    const auto id = store.ensure_set(testing::recipe(seed));
    const auto there = store.blocks(id);
    for (std::uint64_t number = 0; number < kBlocks; ++number) {
      for (const std::int64_t step : {50, 25}) {
        if (there.contains(number) && there.at(number).steps.contains(step)) continue;
        store.publish_block(id, block(number, {step, 0}, static_cast<std::uint64_t>(seed)), provenance());
      }
    }
  }
};

std::uint64_t variant_of(const World& world, const Hex& id) { return id == world.set ? 7 : 8; }

// Reads everything; counts answers that are neither the original nor reported.
struct Reading {
  int silent = 0;
  int lost = 0;  // not there any more, and reported
  std::vector<Damage> damage;

  explicit Reading(const World& world) {
    const auto store = Store::open(world.folder.path());
    for (const auto& id : {world.set, world.other}) {
      read_recipe(world, *store, id);
      for (std::uint64_t number = 0; number < kBlocks; ++number) read_blocks(world, *store, id, number);
    }
    for (std::uint64_t number = 0; number < kBlocks; ++number) {
      const auto scores = store->read_scores(world.set, world.score, number, &damage);
      judge(scores.has_value(), scores == testing::scores(number));
    }
    const auto info = store->result("model", world.model);
    if (info && (info->request != world.model_request || info->info != Value(Value::Map{{"loss", 0.5}}))) ++silent;
    const auto model = store->verified_result("model", world.model, &damage);
    judge(model.has_value(), model && testing::slurp(model->folder / "weights.safetensors") == std::string(9000, 'w') &&
                                 testing::slurp(model->folder / "config.json") == "{\"channels\": 32}");
  }

 private:
  void judge(bool there, bool equal) {
    if (there && !equal) ++silent;
    if (!there && damage.empty()) ++silent;
    if (!there) ++lost;
  }

  void read_recipe(const World& world, const Store& store, const Hex& id) {
    try {
      const auto recipe = store.recipe(id);
      judge(recipe.has_value(), recipe == testing::recipe(static_cast<std::int64_t>(variant_of(world, id))));
    } catch (const CacheError& error) {
      damage.push_back({"recipe.json", error.what()});
    }
  }

  void read_blocks(const World& world, Store& store, const Hex& id, std::uint64_t number) {
    for (const auto& steps : {std::set<std::int64_t>{0}, {0, 25, 50}}) {
      const auto read = store.read_block(id, number, steps, &damage);
      const auto expected = testing::only(block(number, {50, 25, 0}, variant_of(world, id)), steps);
      judge(read.has_value(), read && testing::difference(*read, expected).empty());
    }
  }
};

class Vandal {
 public:
  Vandal(const fs::path& root, std::uint32_t seed) : root_(root), random_(seed) {
    for (const auto& path : testing::files_in(root)) {
      if (path.filename() != "FORMAT" && path.filename() != "digests.json") victims_.push_back(path);
    }
  }

  // Damages one place and returns a description of the damage.
  std::string strike() {
    static constexpr int kWays = 9;
    const auto path = victims_[pick(victims_.size())];
    const auto name = path.lexically_relative(root_).string();
    switch (pick(kWays)) {
      case 0:
      case 1:
      case 2:
        return "flip in " + name + edit(path, [&](std::string& bytes) { flip(bytes); });
      case 3:
        return "three flips in " + name + edit(path, [&](std::string& bytes) { flip(bytes), flip(bytes), flip(bytes); });
      case 4:
        return "cut " + name + edit(path, [&](std::string& bytes) { bytes.resize(pick(bytes.size())); });
      case 5:
        return "zeroed page of " + name + edit(path, [&](std::string& bytes) { zero(bytes); });
      case 6:
        return remove(name, path);
      case 7:
        return "swapped " + name + swap(path, other(path));
      default:
        return "foreign content in " + name + edit(path, [&](std::string& bytes) { bytes = testing::slurp(other(path)); });
    }
  }

 private:
  std::size_t pick(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }

  // A missing commit record or recipe is no damage: the block or set counts as not published.
  std::string remove(const std::string& name, const fs::path& path) {
    if (path.extension() == ".json" && name.starts_with("sets"))
      return "flip in " + name + edit(path, [&](std::string& bytes) { flip(bytes); });
    fs::remove(path);
    return "missing " + name;
  }

  void flip(std::string& bytes) {
    auto& byte = bytes[pick(bytes.size())];
    byte = static_cast<char>(byte ^ (1 << pick(8)));
  }

  void zero(std::string& bytes) {
    const auto start = pick(bytes.size()) / 4096 * 4096;
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(start),
              bytes.begin() + static_cast<std::ptrdiff_t>(std::min(start + 4096, bytes.size())), '\0');
  }

  std::string edit(const fs::path& path, const std::function<void(std::string&)>& change) {
    auto bytes = testing::slurp(path);
    change(bytes);
    testing::overwrite(path, bytes);
    return "";
  }

  // Another file of the same kind: the likeliest to be mistaken for it.
  fs::path other(const fs::path& path) {
    std::vector<fs::path> alike;
    for (const auto& candidate : victims_) {
      if (candidate != path && candidate.extension() == path.extension() &&
          candidate.parent_path().filename() == path.parent_path().filename()) {
        alike.push_back(candidate);
      }
    }
    return alike.empty() ? victims_[pick(victims_.size())] : alike[pick(alike.size())];
  }

  std::string swap(const fs::path& a, const fs::path& b) {
    const auto left = testing::slurp(a), right = testing::slurp(b);
    testing::overwrite(a, right);
    testing::overwrite(b, left);
    return " and " + b.lexically_relative(root_).string();
  }

  fs::path root_;
  std::mt19937 random_;
  std::vector<fs::path> victims_;
};

// Whether a reader meets the damage: a request and a first record are for publishers and verify alone.
bool is_read(const std::string& what) {
  return what.find("request.json") == std::string::npos && what.find("/first/") == std::string::npos;
}

// Whether it must be noticed: a recipe whose spaces changed is still that recipe.
bool matters(const std::string& what) { return what.find("recipe.json") == std::string::npos; }

TEST(Damage, IsNeverReadInSilenceAndOnlyTheBadPartIsMadeAgain) {
  const World world;
  world.fill();
  const auto sound = testing::read_tree(world.folder.path());
  int unnoticed = 0, silent = 0, most_lost = 0, unhealed = 0;
  for (int trial = 0; trial < kDamages; ++trial) {
    testing::write_tree(world.folder.path(), sound);
    const auto what = Vandal(world.folder.path(), static_cast<std::uint32_t>(trial)).strike();
    if (testing::read_tree(world.folder.path()) == sound) continue;  // swapped with itself
    SCOPED_TRACE(what);
    const bool verified = !Store::open(world.folder.path(), true)->verify(VerifyLevel::hash).empty();
    const Reading reading(world);
    if (matters(what) && (!verified || (is_read(what) && reading.damage.empty()))) ++unnoticed;
    silent += reading.silent;
    most_lost = std::max(most_lost, reading.lost);
    world.fill();
    const Reading after(world);
    if (after.silent + after.lost != 0) ++unhealed;
    ASSERT_EQ(unnoticed + silent + unhealed, 0) << what;
  }
  EXPECT_EQ(silent, 0);
  EXPECT_LE(most_lost, 4) << "a swap hits two layers, each in two reads";
}

struct Way {
  std::string name;
  std::function<void(const fs::path&)> put;  // in the place of a file
};

const std::vector<Way>& ways() {
  static const std::vector<Way> kWays = {
      {"cut to 5 bytes", [](const fs::path& path) { fs::resize_file(path, 5); }},
      {"empty", [](const fs::path& path) { fs::resize_file(path, 0); }},
      {"a hole of 1 TiB", [](const fs::path& path) { fs::resize_file(path, std::uintmax_t{1} << 40); }},
      {"a pipe",
       [](const fs::path& path) {
         fs::remove(path);
         ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
       }},
      {"a folder",
       [](const fs::path& path) {
         fs::remove(path);
         fs::create_directories(path / "inner");
       }},
      {"a link to nothing",
       [](const fs::path& path) {
         fs::remove(path);
         fs::create_symlink("nowhere", path);
       }},
  };
  return kWays;
}

// Nothing of a cache is read before its kind and size are known; and whatever file is damaged, one run leaves nothing for verify to find.
TEST(Damage, OfAnyFileIsMendedByTheNextRunWhateverStandsInItsPlace) {
  const World world;
  world.fill();
  const auto sound = testing::read_tree(world.folder.path());
  std::set<std::string> ends;
  for (const auto& [name, bytes] : sound) {
    if (name == "FORMAT" || name.ends_with("/lock")) continue;
    for (const auto& way : ways()) {
      SCOPED_TRACE(name + ": " + way.name);
      testing::write_tree(world.folder.path(), sound);
      way.put(world.folder.path() / name);
      EXPECT_FALSE(Store::open(world.folder.path(), true)->verify(VerifyLevel::quick).empty());
      EXPECT_EQ(Reading(world).silent, 0);
      world.mend();
      world.fill();
      for (const auto& damage : Store::open(world.folder.path(), true)->verify(VerifyLevel::deep)) ADD_FAILURE() << damage.what;
      const Reading after(world);
      EXPECT_EQ(after.silent + after.lost, 0);
      ends.insert(fs::path(name).filename().string().substr(0, 2));
    }
  }
  EXPECT_EQ(ends, (std::set<std::string>{"b0", "b1", "b2", "co", "ma", "re", "we"}));
}

TEST(Damage, BeyondAViewAndStrayFilesAreMendedToo) {
  const World world;
  world.fill();
  const auto set = world.folder.path() / "sets" / world.set.substr(0, 2) / world.set;
  testing::overwrite(set / "commit/notes.txt", "mine");
  testing::overwrite(set / "first/b01.json", "{}");
  for (const auto& path : testing::files_in(set / "data")) {
    if (path.filename().string().starts_with("b2")) fs::remove(path);
  }
  EXPECT_EQ(Store::open(world.folder.path(), true)->verify(VerifyLevel::quick).size(), 4u);
  std::vector<Damage> damage;
  Store::open(world.folder.path())->mend_set(testing::recipe(), &damage);
  EXPECT_EQ(damage.size(), 4u);
  EXPECT_TRUE(Store::open(world.folder.path(), true)->verify(VerifyLevel::quick).empty());
  Store::open(world.folder.path())->mend_set(testing::recipe(), &damage);
  EXPECT_EQ(damage.size(), 4u) << "what is sound stays";
}

// A whole block, its commit record included, put in another's place: every digest fits, only the identity does not.
TEST(Damage, AForeignBlockIsNotTakenForTheOneItReplaces) {
  const World world;
  world.fill();
  const auto sound = testing::read_tree(world.folder.path());
  const auto folder_of = [&](const Hex& id) { return world.folder.path() / "sets" / id.substr(0, 2) / id; };
  const auto replace = [&](const std::string& from, const Hex& from_set, const std::string& to) {
    for (const auto* part : {"data", "commit"}) {
      for (const auto& path : testing::files_in(folder_of(world.set) / part)) {
        if (path.filename().string().starts_with(to)) fs::remove(path);
      }
      for (const auto& path : testing::files_in(folder_of(from_set) / part)) {
        const auto name = path.filename().string();
        if (name.starts_with(from)) testing::overwrite(folder_of(world.set) / part / (to + name.substr(from.size())), testing::slurp(path));
      }
    }
  };
  for (const auto& [from, set] : {std::pair{"b2", world.set}, std::pair{"b1", world.other}}) {
    testing::write_tree(world.folder.path(), sound);
    replace(from, set, "b1");
    EXPECT_FALSE(Store::open(world.folder.path(), true)->verify(VerifyLevel::quick).empty());
    const Reading reading(world);
    EXPECT_EQ(reading.silent, 0);
    EXPECT_EQ(reading.lost, 2);
    EXPECT_FALSE(reading.damage.empty());
  }
}

}  // namespace
}  // namespace espalier::cache
