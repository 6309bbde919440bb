#pragma once

#include <utility>

namespace espalier::program {

// A file descriptor, closed at its end; -1: none.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int number() const { return number_; }
  void close();

 private:
  int number_;
};

struct Pipe {
  Descriptor reads, writes;
};

// Closed in programs that are started, and no standard descriptor. `bytes`: what it holds, where the system allows as much; 0: as it comes.
// Throws StageError.
Pipe make_pipe(int bytes = 0);

void make_nonblocking(const Descriptor& descriptor);

}  // namespace espalier::program
