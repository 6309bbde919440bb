#include <gmock/gmock.h>

#include <limits>
#include <thread>

#include "plugin_folder.h"
#include "runtime/sdk/metric.h"

namespace espalier::plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Load : public PluginFolder {};

// The message of expect_not_refused() for a plugin that is not there.
std::string why_not(const Catalog& catalog, const std::string& type) {
  try {
    catalog.expect_not_refused(type);
    return "";
  } catch (const PluginError& error) {
    return error.what();
  }
}

TEST_F(Load, RegistersAGoodPluginWhoseCodeThenRuns) {
  const auto library = add_canary();
  const Catalog catalog = load_catalog({folder_});
  EXPECT_TRUE(sang());
  const PluginEntry* entry = catalog.find("metric", "canary");
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->numerics_version, 3);
  EXPECT_EQ(entry->library, library.string());
  const auto plugin = entry->make();
  const auto* metric = dynamic_cast<const Metric*>(plugin.get());  // one type info for host and plugin
  ASSERT_NE(metric, nullptr);
  EXPECT_EQ(metric->measure({}).scalars.at(0).name, "canary");
}

TEST_F(Load, PassesOverWhatIsNoLibrary) {
  write(folder_ / "README.md", "text");
  write(folder_ / "canary.so.txt", "text");
  EXPECT_TRUE(load_catalog({folder_}).entries().empty());
}

TEST_F(Load, TakesAFolderNamedTwiceOnce) {
  add_canary();
  std::filesystem::create_directory_symlink(folder_, root_ / "again");
  EXPECT_THAT(load_catalog({folder_, root_ / "again", folder_}).types(), ElementsAre("metric.canary"));
}

TEST_F(Load, SearchesTheFoldersOfTheEnvironment) {
  add_canary();
  ::setenv("ESPALIER_PLUGIN_PATH", (":" + folder_.string() + ":").c_str(), 1);
  EXPECT_THAT(load_catalog({}).types(), ElementsAre("metric.canary"));
}

TEST_F(Load, RefusesAFolderThatIsNotThere) {
  folder_ = root_ / "none";
  EXPECT_EQ(refusal(), "plugin folder " + folder_.string() + ": No such file or directory");
}

TEST_F(Load, RefusesBothOfADuplicateAndNamesTheirLibraries) {
  const auto one = add_canary("a.so");
  const auto two = add_canary("b.so");
  const auto reason = "metric.canary is registered twice: by " + one.string() + " and by " + two.string() + "; remove one of the two";
  EXPECT_EQ(refusal(), reason);
  const Catalog catalog = load_catalog({folder_});
  EXPECT_EQ(catalog.find("metric", "canary"), nullptr);
  EXPECT_EQ(why_not(catalog, "metric.canary"), "metric.canary cannot be used:\n" + reason);
}

TEST_F(Load, ABadLibraryLeavesTheOthersUsable) {
  add_canary("a.so");
  write(folder_ / "metric.b.so", "no library");
  write(folder_ / "c.so", "no library either");
  const std::string b = (folder_ / "metric.b.so").string() + ": is not an ELF library";
  const std::string c = (folder_ / "c.so").string() + ": is not an ELF library";
  const Catalog catalog = load_catalog({folder_});
  EXPECT_THAT(catalog.types(), ElementsAre("metric.canary"));
  EXPECT_EQ(why_not(catalog, "metric.b"), "metric.b cannot be used:\n" + b) << "its file is called so";
  EXPECT_EQ(why_not(catalog, "filter.other"),
            "no plugin 'filter.other' is loaded; it may be one of these, which were refused:\n" + c + "\n" + b);
  EXPECT_EQ(why_not(catalog, "metric.canarie"), "") << "a misspelt name is no refused library's";
}

TEST_F(Load, AFastMathLibraryDoesNotChangeTheArithmeticOfOthers) {
  add(built("fast_plugin"), "metric.fast.so");
  volatile double small = std::numeric_limits<double>::min() / 4.0;
  ASSERT_GT(small, 0.0);
  EXPECT_THAT(load_catalog({folder_}).types(), ElementsAre("metric.fast"));
  EXPECT_GT(small * 1.0, 0.0);
  double in_a_thread = 0.0;
  std::thread([&] { in_a_thread = small * 1.0; }).join();
  EXPECT_GT(in_a_thread, 0.0);
}

class LoadRegistration : public PluginFolder, public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(LoadRegistration, IsRefusedWithTheReason) {
  const auto [way, message] = GetParam();
  ::setenv("ESPALIER_TEST_REGISTER", way, 1);
  const auto library = add_canary();
  EXPECT_THAT(refusal(), HasSubstr(message));
  EXPECT_THAT(refusal(), HasSubstr(library.string()));
}

INSTANTIATE_TEST_SUITE_P(Ways, LoadRegistration,
                         ::testing::Values(std::pair{"nothing", "registers no plugin"},
                                           std::pair{"throws", "its registration failed: std::runtime_error: the canary is ill"},
                                           std::pair{"throws an integer", "its registration failed: threw the int 7, not a std::exception"},
                                           std::pair{"bad name", "registers a metric with the name 'Can ary'"},
                                           std::pair{"same name twice", "metric.canary is registered twice"}));

}  // namespace
}  // namespace espalier::plugin
