#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "fake_catalog.h"
#include "runtime/base/errors.h"
#include "runtime/config/resolve.h"

namespace espalier::config {
namespace {

std::string refusal(const std::function<void()>& act) {
  try {
    act();
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
}
std::string parse_refusal(const std::string& text) {
  return refusal([&] { Document::parse(text, "p.toml", {}); });
}
std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Document, NamesThePlaceOfASyntaxError) {
  EXPECT_THAT(parse_refusal("name = \"x\"\nseed = = 3\n"), ::testing::StartsWith("p.toml:2:8: is not TOML: "));
  EXPECT_THAT(parse_refusal("a = 1\na = 2\n"), ::testing::StartsWith("p.toml:2:"));
  EXPECT_THAT(parse_refusal("a = \"\xff\xfe\"\n"), ::testing::HasSubstr("is not TOML"));
}

TEST(Document, LimitsSize) {
  EXPECT_EQ(parse_refusal("a = \"" + std::string(1 << 20, 'x') + "\""), "p.toml: has 1048582 bytes; at most 1048576");
  EXPECT_EQ(parse_refusal("a = \"" + std::string((1 << 20) - 6, 'x') + "\""), "");
}

TEST(Document, LimitsNestingHoweverItIsWritten) {
  EXPECT_EQ(parse_refusal("a = " + repeated("[", 31) + repeated("]", 31)), "");
  EXPECT_THAT(parse_refusal("\na = " + repeated("[", 33) + repeated("]", 33)),
              ::testing::StartsWith("p.toml:2: is nested too deeply; at most 32"));
  EXPECT_THAT(parse_refusal("a = " + repeated("[", 200000)), ::testing::HasSubstr("is nested too deeply"));
  EXPECT_THAT(parse_refusal("a" + repeated(".a", 200000) + " = 1"), ::testing::HasSubstr("is nested too deeply"));
  EXPECT_THAT(parse_refusal("[a" + repeated(" . \"a\"", 100000) + "]"), ::testing::HasSubstr("is nested too deeply"));
  EXPECT_THAT(parse_refusal(repeated("[[a" + repeated(".a", 15) + "]]\n", 1) + "b = { " + repeated("c.c.c.c.c = { ", 5) + "d = 1" +
                            repeated(" }", 6)),
              ::testing::HasSubstr("is nested too deeply"));
}

TEST(Document, DoesNotCountWhatStandsInStringsAndComments) {
  const std::string deep = repeated("[{", 100) + repeated(".", 100);
  EXPECT_EQ(parse_refusal("a = \"" + deep + "\\\"" + deep + "\" # " + deep + "\nb = '" + deep + "'\nc = \"\"\"\n\"" + deep +
                          "\n\"\"\"\nd = '''\n'" + deep + "'''"),
            "");
  EXPECT_EQ(parse_refusal("a = [" + repeated("1.5, ", 1000) + "]"), "");
}

TEST(Document, RefusesWhatIsNoFile) {
  EXPECT_EQ(refusal([] { Document::parse_file("no/such.toml", {}); }), "no/such.toml: no such pipeline file");
  EXPECT_EQ(refusal([] { Document::parse_file("/", {}); }), "/: is not a file");
}

TEST(Document, ReadsAFile) {
  const auto path = std::filesystem::temp_directory_path() / ("espalier-document-" + std::to_string(::getpid()) + ".toml");
  std::ofstream(path) << "seed = 'x'\n";
  const auto text = refusal([&] { resolve(Document::parse_file(path, {}), fake_catalog()); });
  EXPECT_THAT(text, ::testing::HasSubstr(path.string() + ":1:1: the pipeline: 'seed' is an integer of at least 0; found the string \"x\""));
  std::filesystem::remove(path);
}

TEST(Document, NoTextCrashesTheReader) {
  const std::string good =
      "name = \"x\"\nseed = 1\n[domain]\ntype = \"domain.toy\"\n[models]\nbase = { folder = \".\", initialize_weights = true }\n"
      "[defaults.\"sampler.fake\"]\neta = 1.0\n[[stage]]\ntag = \"s\"\ntype = \"sampler.fake\"\ninputs = { model = [\"base\"] "
      "}\n[stage.options]\neta = 0.5 # x\n";
  const auto catalog = fake_catalog();
  ASSERT_EQ(refusal([&] { resolve(Document::parse(good, "p.toml", {}), catalog); }), "");
  std::mt19937 random(1);
  const std::string interesting = "[]{}=.,\"'#\n\\ 01eE+-_xTZ:\x01\x7f\x80\xff";
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string text = good;
    for (unsigned i = 0; i <= random() % 3; ++i) {
      const std::size_t at = random() % text.size();
      const char c = interesting[random() % interesting.size()];
      if (random() % 3 == 0) {
        text.erase(at, 1 + random() % 8);
      } else {
        text.insert(at, 1, c);
      }
    }
    refused += refusal([&] { resolve(Document::parse(text, "p.toml", {}), catalog); }).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
}

TEST(CachePath, TakesOnlyTheCachesPath) {
  EXPECT_EQ(cache_path({}), "cache");
  EXPECT_EQ(cache_path({"cache.path=/data/x"}), "/data/x");
  EXPECT_EQ(refusal([] { cache_path({"seed=3"}); }), "--set seed=3: only cache.path=DIR has a meaning here");
  EXPECT_EQ(refusal([] { cache_path({"cache.path=3"}); }), "--set cache.path=3: cache.path is a folder; found the integer 3");
  EXPECT_THAT(refusal([] { cache_path({"cache.path"}); }),
              ::testing::StartsWith("--set cache.path: is not path=value; allowed: seed, name,"));
}

}  // namespace
}  // namespace espalier::config
