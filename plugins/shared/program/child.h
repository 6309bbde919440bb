#pragma once

#include <sys/types.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugins/shared/program/descriptor.h"
#include "plugins/shared/program/family.h"
#include "plugins/shared/program/last_lines.h"

namespace espalier::program {

// A program that runs: in a session of its own, with pipes as its standard descriptors and no other descriptor of this process. It ends
// with the thread that started it, and with all that it started itself at kill() or at the end of the object. Thread-safe, but that one
// thread at a time uses input() and output().
class Child {
 public:
  // Throws Refusal where it cannot be started.
  Child(const std::vector<std::string>& command, const std::vector<std::string>& environment);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int input() const { return input_.number(); }    // written to, without blocking
  int output() const { return output_.number(); }  // read from, without blocking
  void close_input() { input_.close(); }

  // Whether the program itself has ended, and how: "ended with exit status 3"; "" while it runs.
  std::string ending();
  // It and all that it started. `because` is kept of the first call: "" where it is not worth a message.
  void kill(const std::string& because = "");
  std::string killed_because();

  // What it wrote to its standard error meanwhile is taken into last_lines().
  void read_errors();
  int errors();  // the descriptor to wait at; -1 once it is closed
  std::string last_lines();

  std::int64_t resident_bytes(std::int64_t suspicious) const { return family_.resident_bytes(suspicious); }

 private:
  struct Started;
  static Started start(const std::vector<std::string>& command, const std::vector<std::string>& environment);
  explicit Child(Started started);

  pid_t process_;
  Family family_;
  Descriptor input_, output_;
  std::mutex mutex_;  // of what follows
  Descriptor errors_;
  LastLines last_lines_;
  std::string ending_;
  std::optional<std::string> killed_because_;
  std::mutex killing_;
  bool gone_ = false;  // killed and reaped
};

}  // namespace espalier::program
