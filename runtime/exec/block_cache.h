#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/base/digest.h"

namespace espalier::exec {

// Keeps what was read of blocks in memory, up to a bound, so that stages that use the same samples read, verify and decode them once. Drops
// the least recently used first. Thread-safe: if several threads request a value at once, one of them makes it.
class BlockCache {
 public:
  explicit BlockCache(std::int64_t most_bytes) : most_bytes_(most_bytes) {}

  // "states" of a step, or the samples "decoded by <digest of what decodes them>".
  struct Key {
    std::string what;
    Hex set_id;
    std::uint64_t block = 0;
    std::int64_t step = 0;
    auto operator<=>(const Key&) const = default;
  };

  // Returns the kept value, or calls `make`, which returns a value and its size in bytes. Callers may keep the value and must not change
  // it. An exception of `make` is thrown to all callers that wait for the value, and nothing is kept.
  template <class T>
  std::shared_ptr<const T> get(const Key& key, const std::function<std::pair<T, std::int64_t>()>& make) {
    return std::static_pointer_cast<const T>(find_or_make(key, [&make]() -> Made {
      auto [value, bytes] = make();
      return {std::make_shared<const T>(std::move(value)), bytes};
    }));
  }

  void clear();  // must not be called while a value is being made
  std::int64_t bytes() const;

 private:
  struct Made {
    std::shared_ptr<const void> value;
    std::int64_t bytes = 0;
  };
  struct Entry {
    std::shared_future<Made> made;
    std::int64_t bytes = 0;  // 0 while it is being made
    std::list<Key>::iterator place;
  };
  std::shared_ptr<const void> find_or_make(const Key& key, const std::function<Made()>& make);
  void keep(const Key& key, std::int64_t bytes);

  std::int64_t most_bytes_;
  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
  std::list<Key> recent_;  // the most recently used first
  std::int64_t bytes_ = 0;
};

}  // namespace espalier::exec
