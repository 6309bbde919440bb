#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "runtime/cache/hdf5_image.h"

namespace espalier::cache {

// Holds HDF5's one mutex and, the first time, switches off its plugins and its printing. Recursive use is a bug (a deadlock).
std::unique_lock<std::mutex> lock_hdf5();

// The innermost reason HDF5 gives for its last failure.
std::string hdf5_reason();

// An HDF5 identifier, closed at the end. hid_t is a 64-bit integer.
class Handle {
 public:
  using Close = int (*)(std::int64_t);
  Handle() = default;
  Handle(std::int64_t id, Close close) : id_(id), close_(close) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : id_(other.id_), close_(other.close_) { other.id_ = -1; }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  std::int64_t get() const { return id_; }
  bool reset() {  // closes; whether that went well
    const bool well = id_ < 0 || close_(id_) >= 0;
    id_ = -1;
    return well;
  }

 private:
  std::int64_t id_ = -1;
  Close close_ = nullptr;
};

// HDF5's identifiers of an element's type, in the file and in memory. Under lock_hdf5().
struct ElementType {
  std::int64_t file = -1;
  std::int64_t memory = -1;
  std::size_t size = 0;
};
ElementType element_type(Element element);

}  // namespace espalier::cache
