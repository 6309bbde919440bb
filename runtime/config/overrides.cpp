#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/config/document.h"

namespace espalier::config {
namespace {

const char* const kAllowed =
    "allowed: seed, name, cache.path, device.type, device.dtype, domain.<option>, models.<name>, models.<name>.<key>, "
    "<tag>.<option>, <tag>.seed, sweep.seed, sweep.<tag>.<option>, rounds.count";

struct Override {
  SourceSpan where;  // the override's text as the file; no line
  std::string first;
  std::string second;  // "" for "seed" and "name"
  Node value;
};

Override parse_override(const std::string& text) {
  Override parsed;
  parsed.where.file = "--set " + text;
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw ConfigError(fmt::format("{}: is not path=value; {}", parsed.where.file, kAllowed));
  }
  const std::string path = text.substr(0, equals);
  const std::size_t dot = path.find('.');
  parsed.first = path.substr(0, dot);
  if (dot != std::string::npos) parsed.second = path.substr(dot + 1);
  parsed.value = parse_override_value(text.substr(equals + 1), parsed.where);
  return parsed;
}

Node* find_stage(Node& root, const std::string& tag, std::vector<std::string>& tags) {
  for (Field& field : root.fields) {
    if (field.key != "stage") continue;
    for (Node& stage : field.value.list) {
      const Field* name = stage.find("tag");
      if (name == nullptr || !name->value.is_string()) continue;
      tags.push_back(name->value.scalar.as_string());
      if (tags.back() == tag) return &stage;
    }
  }
  return nullptr;
}

}  // namespace

void apply_override(const std::string& override_text, Node& root, Problems& problems) {
  Override given = parse_override(override_text);
  const std::string& first = given.first;
  if (first == "seed" || first == "name" || first == "cache" || first == "device" || first == "rounds") {
    static const std::map<std::string, std::set<std::string>> keys = {
        {"cache", {"path"}}, {"device", {"type", "dtype"}}, {"rounds", {"count"}}};
    const auto table = keys.find(first);
    if (table == keys.end() ? !given.second.empty() : !table->second.contains(given.second)) {
      problems.add(given.where, fmt::format("there is no such key; {}", kAllowed));
    } else if (given.second.empty()) {
      root.set(first, std::move(given.value));
    } else {
      root.table(first, given.where).set(given.second, std::move(given.value));
    }
    return;
  }
  if (first == "domain" && !given.second.empty()) {
    root.table("domain", given.where).table("options", given.where).set(given.second, std::move(given.value));
    return;
  }
  if (first == "models" && !given.second.empty()) {
    const auto dot = given.second.find('.');
    auto& models = root.table("models", given.where);
    if (dot == std::string::npos) {
      models.set(given.second, std::move(given.value));
      return;
    }
    // For `models.base.initialize_weights`, an entry that is only a folder becomes a table with this folder.
    const auto name = given.second.substr(0, dot);
    const auto* entry = models.find(name);
    if (entry != nullptr && entry->value.is_string()) {
      Node folder = entry->value;
      Node table;
      table.shape = Node::Shape::table;
      table.where = folder.where;
      table.set("folder", std::move(folder));
      models.set(name, std::move(table));
    }
    models.table(name, given.where).set(given.second.substr(dot + 1), std::move(given.value));
    return;
  }
  if (first == "sweep" && !given.second.empty()) {
    auto& sweep = root.table("sweep", given.where);
    const auto dot = given.second.rfind('.');  // a type has a dot of its own
    if (dot == std::string::npos) {
      sweep.set(given.second, std::move(given.value));
    } else {
      sweep.table(given.second.substr(0, dot), given.where).set(given.second.substr(dot + 1), std::move(given.value));
    }
    return;
  }
  std::vector<std::string> tags;
  Node* const stage = find_stage(root, first, tags);
  if (stage == nullptr) {
    problems.add(given.where, fmt::format("no stage has the tag '{}'{}; {}", first, did_you_mean(first, tags), kAllowed));
  } else if (given.second.empty()) {
    problems.add(given.where, fmt::format("names a stage but no option of it; {}", kAllowed));
  } else if (given.second == "seed") {
    stage->set("seed", std::move(given.value));
  } else {
    stage->table("options", given.where).set(given.second, std::move(given.value));
  }
}

std::filesystem::path cache_path(const std::vector<std::string>& overrides) {
  std::filesystem::path path = PipelineSpec().cache_path;
  for (const std::string& text : overrides) {
    const Override given = parse_override(text);
    if (given.first != "cache" || given.second != "path") {
      throw ConfigError(fmt::format("{}: only cache.path=DIR has a meaning here", given.where.file));
    }
    if (!given.value.is_string() || given.value.scalar.as_string().empty()) {
      throw ConfigError(fmt::format("{}: cache.path is a folder; found {}", given.where.file, given.value.found()));
    }
    path = given.value.scalar.as_string();
  }
  return path;
}

}  // namespace espalier::config
