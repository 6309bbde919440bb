#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::program {

// A program and all that it started, as /proc shows them: the program's session, what carries its mark in its environment (also a daemon
// that began a session of its own), and the children of these.
class Family {
 public:
  // `mark`: "NAME=value", in the program's environment and no other's. The program leads a session of its own, and its parent does not
  // reap it before kill() has returned, so that its number stays its own.
  Family(pid_t program, std::string mark) : program_(program), mark_(std::move(mark)) {}

  // Kills until none is left. False where some are left after 5 seconds: the kernel holds them.
  bool kill() const;
  // What they hold in memory together. What they share counts once where the sum is above `suspicious`: finding that out is costly.
  std::int64_t resident_bytes(std::int64_t suspicious) const;

 private:
  struct Scan {
    std::vector<pid_t> members;  // that live: a zombie does not
    bool unclear;                // a process that starts at this moment, in a session of its own, may be one too
  };
  Scan scan() const;
  pid_t program_;
  std::string mark_;
};

}  // namespace espalier::program
