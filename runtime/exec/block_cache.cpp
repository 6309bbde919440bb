#include "runtime/exec/block_cache.h"

#include <algorithm>

namespace espalier::exec {

std::shared_ptr<const void> BlockCache::find_or_make(const Key& key, const std::function<Made()>& make) {
  std::promise<Made> promise;
  std::shared_future<Made> made;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second.place);
      made = found->second.made;
    } else {
      recent_.push_front(key);
      entries_.emplace(key, Entry{promise.get_future().share(), 0, recent_.begin()});
    }
  }
  if (made.valid()) return made.get().value;
  try {
    auto fresh = make();
    const auto value = fresh.value;
    const auto bytes = fresh.bytes;
    promise.set_value(std::move(fresh));
    keep(key, bytes);
    return value;
  } catch (...) {
    promise.set_exception(std::current_exception());
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(key); found != entries_.end()) {
      recent_.erase(found->second.place);
      entries_.erase(found);
    }
    throw;
  }
}

// A value that is larger than the whole cache is not kept.
void BlockCache::keep(const Key& key, std::int64_t bytes) {
  bytes = std::max<std::int64_t>(bytes, 1);  // 0 marks a value that is being made
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;  // cleared meanwhile
  found->second.bytes = bytes;
  bytes_ += bytes;
  for (auto oldest = recent_.end(); bytes_ > most_bytes_ && oldest != recent_.begin();) {
    --oldest;
    const auto entry = entries_.find(*oldest);
    if (entry->second.bytes == 0) continue;  // being made
    bytes_ -= entry->second.bytes;
    entries_.erase(entry);
    oldest = recent_.erase(oldest);
  }
}

void BlockCache::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  recent_.clear();
  bytes_ = 0;
}

std::int64_t BlockCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace espalier::exec
