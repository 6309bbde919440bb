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

// What was read of a set's blocks, in memory up to a bound, so that stages which use the same samples read, verify and decode them once.
// The least recently used goes first. Thread-safe: what several threads want at once is made by one of them.
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

  // The kept value, or what `make` gives: a value and its size in bytes. Whoever has it may keep it, and does not change it. An exception
  // of `make` is thrown to all that wait for it, and nothing is kept.
  template <class T>
  std::shared_ptr<const T> get(const Key& key, const std::function<std::pair<T, std::int64_t>()>& make) {
    return std::static_pointer_cast<const T>(find_or_make(key, [&make]() -> Made {
      auto [value, bytes] = make();
      return {std::make_shared<const T>(std::move(value)), bytes};
    }));
  }

  void clear();  // not while anything is being made
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
