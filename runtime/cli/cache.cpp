#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/suggest.h"
#include "runtime/base/value.h"
#include "runtime/cache/store.h"
#include "runtime/cli/cache_actions.h"
#include "runtime/config/resolve.h"

namespace espalier::cli {
namespace {

using cache::Store;
using cache::VerifyLevel;

const std::vector<std::string> kActions = {"ls", "verify", "du", "doctor"};

// What work left behind or is in the middle of; no entry that a run could reuse.
bool is_leftover(const Store::Usage& usage) { return usage.kind == "tmp" || usage.kind == "quarantine" || usage.kind == "checkpoints"; }

int list(const Store& store, bool json) {
  Value::List entries;
  std::string text;
  for (const auto& usage : store.usage()) {
    if (is_leftover(usage)) continue;
    entries.push_back(Value::Map{{"kind", usage.kind}, {"id", usage.id}, {"entries", usage.entries}, {"bytes", usage.bytes}});
    text += fmt::format("{:<14} {}  {:>7} {:<7} {:>10}\n", usage.kind, usage.id.substr(0, 16), usage.entries,
                        usage.entries == 1 ? "entry" : "entries", human(usage.bytes));
  }
  if (text.empty()) text = store.root().string() + ": the cache is empty\n";
  print(json ? to_json(Value(Value::Map{{"cache", store.root().string()}, {"entries", std::move(entries)}}), 2) + "\n" : text);
  return static_cast<int>(ExitCode::ok);
}

int disk_usage(const Store& store, bool json) {
  std::map<std::string, Store::Usage> kinds;
  std::int64_t total = 0;
  for (const auto& usage : store.usage()) {
    kinds[usage.kind].entries += usage.entries;
    kinds[usage.kind].bytes += usage.bytes;
    total += usage.bytes;
  }
  Value::List described;
  std::string text;
  for (const auto& [kind, usage] : kinds) {
    described.push_back(Value::Map{{"kind", kind}, {"entries", usage.entries}, {"bytes", usage.bytes}});
    text += fmt::format("{:<14} {:>7} {:<7} {:>10}\n", kind, usage.entries, usage.entries == 1 ? "entry" : "entries", human(usage.bytes));
  }
  const auto free = static_cast<std::int64_t>(free_bytes(store.root()));
  text += fmt::format("{:<30} {:>10}, {} free\n", "total", human(total), human(free));
  const Value value = Value::Map{{"cache", store.root().string()}, {"kinds", std::move(described)}, {"bytes", total}, {"free_bytes", free}};
  print(json ? to_json(value, 2) + "\n" : text);
  return static_cast<int>(ExitCode::ok);
}

int verify(const Store& store, VerifyLevel level, bool json) {
  static constexpr std::array kChecked = {"commit records and sizes", "commit records and every byte",
                                          "commit records, every byte and every dataset"};
  const std::string checked = kChecked[static_cast<std::size_t>(level)];
  const auto damage = store.verify(level);
  Value::List described;
  std::string text;
  for (const auto& [path, what] : damage) {
    described.push_back(Value::Map{{"path", path.string()}, {"what", what}});
    text += what + "\n";
  }
  text += damage.empty() ? fmt::format("{}: no damage ({})\n", store.root().string(), checked)
                         : fmt::format("{}: {} damaged ({}); the next run that uses them quarantines them and computes them again\n",
                                       store.root().string(), damage.size(), checked);
  const Value value = Value::Map{{"cache", store.root().string()}, {"checked", checked}, {"damage", std::move(described)}};
  print(json ? to_json(value, 2) + "\n" : text);
  return static_cast<int>(damage.empty() ? ExitCode::ok : ExitCode::cache);
}

}  // namespace

std::string human(std::int64_t bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024.0 && unit + 1 < kUnits.size(); ++unit) size /= 1024.0;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

int cache(const Args& args) {
  std::string action;
  std::vector<std::string> overrides;
  bool hash = false, deep = false, json = false;
  Arguments arguments(
      "cache ls | cache verify [--hash|--deep] | cache du | cache doctor [options]",
      "Lists what the cache holds, looks for damage (and moves nothing), prints its size, or tries what the folder's file system can do. "
      "Exit code 4: damage was found, or the folder is not fit for a cache.");
  arguments.positional("ls, verify, du or doctor", action);
  arguments.texts("set", overrides, "cache.path=DIR: the cache's folder");
  arguments.flag("hash", hash, "verify: compare the SHA-256 of every file too");
  arguments.flag("deep", deep, "verify: read every dataset too");
  arguments.flag("json", json, "print the result as JSON");
  if (!arguments.parse(args)) return static_cast<int>(ExitCode::ok);
  if (std::find(kActions.begin(), kActions.end(), action) == kActions.end()) {
    throw ConfigError(fmt::format("unknown action '{}'{}", action, did_you_mean(action, kActions)));
  }
  if (action != "verify" && (hash || deep))
    throw ConfigError(fmt::format("'cache {}' takes neither --hash nor --deep; 'cache verify' does", action));

  const auto root = config::cache_path(overrides);
  if (action == "doctor") return doctor(root, json);
  const auto store = Store::open(root, /*read_only=*/true);
  if (action == "ls") return list(*store, json);
  if (action == "du") return disk_usage(*store, json);
  return verify(*store, deep ? VerifyLevel::deep : hash ? VerifyLevel::hash : VerifyLevel::quick, json);
}

}  // namespace espalier::cli
