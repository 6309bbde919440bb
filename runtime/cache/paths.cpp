#include "runtime/cache/paths.h"

#include <algorithm>
#include <charconv>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"

namespace espalier::cache {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShort = 16;

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_word(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_'; });
}

Hex checked(const Hex& id, const char* what) {
  if (!is_hex(id, 64)) throw InternalError(std::string(what) + " '" + id + "' is not a SHA-256 of 64 lower-case hex digits");
  return id;
}

// Decimal digits without a leading zero.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || std::to_string(number) != text) return std::nullopt;
  return number;
}

// <folder>/<2 hex>/<id>
fs::path fanned(const fs::path& folder, const Hex& id) { return folder / id.substr(0, 2) / id; }

std::vector<Hex> all_fanned(const fs::path& folder) {
  std::vector<Hex> ids;
  for (const auto& prefix : names_in(folder)) {
    if (!is_hex(prefix, 2)) continue;
    for (const auto& id : names_in(folder / prefix)) {
      if (is_hex(id, 64) && id.starts_with(prefix)) ids.push_back(id);
    }
  }
  return ids;
}

std::vector<Hex> all_ids(const fs::path& folder) {
  auto ids = names_in(folder);
  std::erase_if(ids, [](const std::string& id) { return !is_hex(id, 64); });
  return ids;
}

// Why a name that is there is none of a file that may be read; "" where it is one, or has vanished.
std::string fault_of(const fs::path& path, std::uint64_t limit) {
  std::error_code error;
  const auto type = fs::status(path, error).type();
  if (type == fs::file_type::not_found) return "";
  if (type == fs::file_type::directory) return path.string() + ": is a directory, not a regular file";
  if (type != fs::file_type::regular) return path.string() + ": is a pipe or a device, not a regular file";
  const auto size = fs::file_size(path, error);
  if (error || size <= limit) return "";
  return path.string() + ": has " + std::to_string(size) + " bytes, at most " + std::to_string(limit) + " belong there";
}

}  // namespace

std::string CommitName::file_name() const { return "b" + std::to_string(number) + "." + layer + ".json"; }

std::optional<CommitName> CommitName::parse(std::string_view file_name) {
  if (!file_name.starts_with('b') || !file_name.ends_with(".json")) return std::nullopt;
  file_name.remove_prefix(1);
  file_name.remove_suffix(5);
  const auto dot = file_name.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto number = parse_number(file_name.substr(0, dot));
  const auto layer = file_name.substr(dot + 1);
  if (!number || !is_word(layer)) return std::nullopt;
  return CommitName{*number, std::string(layer)};
}

std::string data_name(std::uint64_t number, const Hex& sha256, int copy) {
  const auto suffix = copy == 0 ? std::string() : "." + std::to_string(copy);
  return "b" + std::to_string(number) + "-" + sha256.substr(0, kShort) + suffix + ".h5";
}

bool is_data_name(std::string_view name, std::uint64_t number, const Hex& sha256) {
  if (!is_hex(sha256, 64)) return false;
  const auto first = data_name(number, sha256, 0);
  if (name == first) return true;
  const auto stem = first.substr(0, first.size() - 3) + ".";
  if (!name.starts_with(stem) || !name.ends_with(".h5") || name.size() < stem.size() + 3) return false;
  return parse_number(name.substr(stem.size(), name.size() - stem.size() - 3)).has_value();
}

std::string layer_name(const std::vector<std::int64_t>& steps) {
  return digest(Value(Value::List(steps.begin(), steps.end()))).substr(0, kShort);
}

fs::path Paths::trial() const { return root_ / (".FORMAT." + unique_name()); }

fs::path Paths::set(const Hex& set_id) const { return fanned(root_ / "sets", checked(set_id, "the set id")); }

BlockFolder Paths::trajectories(const Hex& set_id) const { return {set(set_id), set_id, ""}; }

BlockFolder Paths::scores(const Hex& set_id, const Hex& score_id) const {
  return {set(set_id) / "scores" / checked(score_id, "the score id"), set_id, score_id};
}

fs::path Paths::result(const std::string& kind, const Hex& key) const {
  if (!is_word(kind)) throw InternalError("'" + kind + "' is not a kind of result (lower-case letters, digits and '_')");
  return fanned(root_ / "results" / kind, checked(key, "the result's key"));
}

fs::path Paths::checkpoint(const Hex& model_key) const { return root_ / "checkpoints" / checked(model_key, "the model's key"); }

fs::path Paths::training_lock(const Hex& model_key) const {
  return root_ / "checkpoints" / "locks" / checked(model_key, "the model's key");
}

std::vector<Hex> Paths::all_sets() const { return all_fanned(root_ / "sets"); }
std::vector<Hex> Paths::all_scores(const Hex& set_id) const { return all_ids(set(set_id) / "scores"); }

std::vector<std::string> Paths::all_kinds() const {
  auto kinds = names_in(root_ / "results");
  std::erase_if(kinds, [](const std::string& kind) { return !is_word(kind); });
  return kinds;
}

std::vector<Hex> Paths::all_results(const std::string& kind) const { return all_fanned(root_ / "results" / kind); }
std::vector<Hex> Paths::all_checkpoints() const { return all_ids(root_ / "checkpoints"); }

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  if (error == std::errc::no_such_file_or_directory) return names;
  while (!error && entry != fs::directory_iterator()) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
  }
  if (error) throw CacheError(folder.string() + ": cannot be listed: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

bool is_present(const fs::path& path) {
  std::error_code error;
  const auto type = fs::status(path, error).type();
  if (type == fs::file_type::none) throw CacheError(path.string() + ": cannot be examined: " + error.message());
  return type != fs::file_type::not_found;
}

const std::string& Found::sound() const {
  if (!fault.empty()) throw DataError(fault);
  return bytes;
}

std::optional<Found> read_if_present(const fs::path& path, std::uint64_t limit) {
  if (!is_present(path)) {
    std::error_code error;
    if (!fs::is_symlink(fs::symlink_status(path, error))) return std::nullopt;
    return Found{"", path.string() + ": is a link to what is not there"};
  }
  if (auto fault = fault_of(path, limit); !fault.empty()) return Found{"", std::move(fault)};
  try {
    return Found{read_file(path, limit), ""};
  } catch (const DataError& error) {
    if (!is_present(path)) return std::nullopt;  // moved away meanwhile
    throw CacheError(error.what());
  }
}

void check_size(const fs::path& path, std::int64_t bytes) {
  if (!is_present(path)) throw DataError(path.string() + ": is missing");
  if (const auto fault = fault_of(path, kAnySize); !fault.empty()) throw DataError(fault);
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) throw CacheError(path.string() + ": cannot be examined: " + error.message());
  if (size == static_cast<std::uintmax_t>(bytes)) return;
  throw DataError(path.string() + ": has " + std::to_string(size) + " bytes instead of " + std::to_string(bytes));
}

}  // namespace espalier::cache
