#include "runtime/cache/digest_memo.h"

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <system_error>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/sealed.h"

namespace espalier::cache {
namespace {

constexpr std::size_t kMostEntries = 100'000;  // beyond, the memo starts anew
constexpr std::uint64_t kMostBytes = 64 << 20;
constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * kSecond + time.tv_nsec; }

struct stat status_of(const std::filesystem::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) throw DataError(path.string() + ": cannot be opened");
  return status;
}

std::string key_of(const struct stat& status, const std::string& what) {
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + ":" + std::to_string(status.st_size) + ":" +
         std::to_string(nanoseconds(status.st_mtim)) + ":" + std::to_string(nanoseconds(status.st_ctim)) + ":" + what;
}

// Whether a later change is sure to get another ctime: file systems keep time in ticks (a few milliseconds, or whole seconds).
bool settled(const struct stat& status) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto age = nanoseconds(now) - nanoseconds(status.st_ctim);
  return age > (status.st_ctim.tv_nsec == 0 ? 2 * kSecond : kSecond / 10);
}

}  // namespace

Hex DigestMemo::of(const std::filesystem::path& file, const std::string& what, const std::function<Hex()>& compute) {
  const auto before = status_of(file);
  const auto key = key_of(before, what);
  const bool keep = settled(before);
  {
    const std::lock_guard lock(mutex_);
    if (!loaded_) known_ = load();
    loaded_ = true;
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
  }
  auto hash = compute();
  if (keep && key_of(status_of(file), what) == key) {
    const std::lock_guard lock(mutex_);
    known_[key] = hash;
    learned_[key] = hash;
    learned_bytes_ += static_cast<std::uint64_t>(before.st_size);
  }
  return hash;
}

std::uint64_t DigestMemo::learned_bytes() const {
  const std::lock_guard lock(mutex_);
  return learned_bytes_;
}

void DigestMemo::save() {
  const std::lock_guard lock(mutex_);
  if (learned_.empty()) return;
  auto merged = load();  // another process may have added to it
  if (merged.size() > kMostEntries) merged.clear();
  for (const auto& [key, hash] : learned_) merged[key] = hash;
  Value table;
  for (const auto& [key, hash] : merged) table[key] = hash;
  try {
    replace_file(file_, seal(table));
    learned_.clear();
    learned_bytes_ = 0;
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch)
    // A folder that cannot be written to, or is full: the next run hashes again.
  }
}

std::map<std::string, Hex> DigestMemo::load() const {
  std::map<std::string, Hex> known;
  std::error_code error;
  if (!std::filesystem::exists(file_, error)) return known;
  try {
    const auto table = unseal(read_file(file_, kMostBytes), file_.string());
    for (const auto& [key, hash] : table.as_map()) known[key] = hash.as_string();
  } catch (const Error&) {
    known.clear();
  }
  return known;
}

}  // namespace espalier::cache
