#include <algorithm>
#include <limits>
#include <regex>
#include <set>

#include "runtime/base/suggest.h"
#include "runtime/sdk/check.h"
#include "runtime/sdk/kinds.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

struct Declared {
  std::unique_ptr<Plugin> plugin;
  Schema schema;
};

// Returns the plugin and its schema together, because the schema refers to the plugin's members.
std::unique_ptr<Declared> declare(const PluginEntry& entry) {
  auto declared = std::make_unique<Declared>();
  declared->plugin = entry.make();
  declared->plugin->options(declared->schema);
  return declared;
}

void check_declaration(const OptionInfo& info) {
  SCOPED_TRACE("option '" + info.name + "'");
  static const std::regex kName("[a-z][a-z0-9_]*");
  EXPECT_TRUE(std::regex_match(info.name, kName)) << "names are snake_case";
  EXPECT_GE(info.doc.size(), 10u) << "a doc is a sentence";
  EXPECT_TRUE(!info.doc.empty() && info.doc.back() == '.') << "a doc ends with a full stop: '" << info.doc << "'";
}

void check_declaration(const InputInfo& info) {
  SCOPED_TRACE("input '" + info.name + "'");
  static const std::regex kName("[a-z][a-z0-9_]*");
  EXPECT_TRUE(std::regex_match(info.name, kName)) << "names are snake_case";
  EXPECT_TRUE(!info.doc.empty() && info.doc.back() == '.') << "a doc ends with a full stop: '" << info.doc << "'";
}

void check_defaults(const PluginEntry& entry) {
  const auto declared = declare(entry);
  const auto again = declare(entry);
  expect_accepted([&] { espalier::check_defaults(entry.kind + "." + entry.name, declared->schema); });
  for (const auto role : {OptionRole::keyed, OptionRole::view, OptionRole::operational}) {
    EXPECT_EQ(canonical_bytes(declared->schema.values(role)), canonical_bytes(again->schema.values(role)))
        << "two new plugins have different options, or reading the defaults changed them";
  }
}

void check_misspelt(const PluginEntry& entry) {
  const auto declared = declare(entry);
  const auto infos = declared->schema.infos();
  const std::string wrong = infos.empty() ? "anything" : infos.front().name + "x";
  bool refused = false;
  for (const auto& problem : declared->schema.read(Value(Options{{wrong, Value(1)}}))) {
    if (problem.option != wrong) continue;
    refused = true;
    if (infos.empty()) continue;
    std::vector<std::string> names;
    for (const auto& info : infos) names.push_back(info.name);
    EXPECT_NE(problem.message.find("'" + nearest_name(wrong, names) + "'"), std::string::npos) << problem.message;
  }
  EXPECT_TRUE(refused) << "the unknown option '" << wrong << "' was accepted";
}

// Checks that the largest integer is refused for every integer option, because it may be a size. Seeds may have any value.
void check_upper_bounds(const PluginEntry& entry) {
  const auto declared = declare(entry);
  for (const auto& info : declared->schema.infos()) {
    if (info.type != "integer" || info.name.ends_with("seed")) continue;
    const auto problems = declared->schema.read(Value(Options{{info.name, Value(std::numeric_limits<std::int64_t>::max())}}));
    const auto refused = [&](const OptionProblem& problem) { return problem.option == info.name; };
    EXPECT_TRUE(std::any_of(problems.begin(), problems.end(), refused))
        << "the integer option '" << info.name << "' has no upper bound: state a generous one, .at_most(...)";
  }
}

}  // namespace

bool expect_accepted(const std::function<void()>& check) {
  try {
    check();
    return true;
  } catch (const PluginError& error) {
    ADD_FAILURE() << error.what();
    return false;
  }
}

PluginEntry find_entry(const Registrar& registrar, const std::string& type) {
  std::vector<std::string> types;
  for (const auto& entry : registrar.entries()) {
    types.push_back(entry.kind + "." + entry.name);
    if (types.back() == type) return entry;
  }
  throw PluginError("this library registers no '" + type + "'" + did_you_mean(type, types));
}

std::unique_ptr<Plugin> make_any(const PluginEntry& entry, const Options& options) {
  auto plugin = entry.make();
  Schema schema;
  plugin->options(schema);
  std::string problems;
  for (const auto& problem : schema.read(Value(options))) problems += "\n" + entry.kind + "." + entry.name + " " + problem.message;
  if (!problems.empty()) throw ConfigError("wrong options:" + problems);
  return plugin;
}

std::map<std::string, InputInfo> inputs_of(const PluginEntry& entry, const Options& options) {
  std::map<std::string, InputInfo> inputs;
  const auto* kind = find_kind(entry.kind);
  if (kind == nullptr) return inputs;  // a domain
  for (auto& info : declared_inputs(*kind, *make_any(entry, options))) inputs.emplace(info.name, info);
  return inputs;
}

void check_options(const PluginEntry& entry) {
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  EXPECT_FALSE(entry.doc.empty()) << "a plugin has a doc";
  EXPECT_GE(entry.numerics_version, 1);
  const auto declared = declare(entry);
  std::set<std::string> names;
  for (const auto& info : declared->schema.infos()) {
    check_declaration(info);
    EXPECT_TRUE(names.insert(info.name).second) << "'" << info.name << "' is declared twice";
  }
  check_defaults(entry);
  check_misspelt(entry);
  check_upper_bounds(entry);
  const auto* kind = find_kind(entry.kind);
  if (kind == nullptr) return;
  for (const auto& info : declared_inputs(*kind, *entry.make())) check_declaration(info);
}

}  // namespace espalier::conformance
