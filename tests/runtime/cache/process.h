#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace espalier::cache::testing {

// Another program, its standard output read line by line. Killed and waited for at the end.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The next line; nullopt at the end, or when none came within so many microseconds (below 0: waits).
  std::optional<std::string> line(long microseconds = -1);
  std::vector<std::string> rest();  // all lines to the end
  void kill();
  int wait();  // exit status; 128 + signal when it was killed

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string buffer_;
};

}  // namespace espalier::cache::testing
