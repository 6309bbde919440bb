#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace espalier {

// Shows how far long work is; tqdm-like on a terminal (bar, count, rate, ETA), a line every 30 s elsewhere. Always on stderr.
class Progress {
 public:
  virtual ~Progress() = default;
  // total 0: unknown; done_before: of the total, what an earlier run did: counted, but not in the rate.
  virtual void begin(const std::string& label, std::int64_t total, const std::string& unit, std::int64_t done_before = 0) = 0;
  virtual void advance(std::int64_t count, const std::string& note = "") = 0;  // thread-safe
  virtual void end() = 0;
  virtual void say(const std::string& line) = 0;  // a line of its own, above a bar
};

std::unique_ptr<Progress> make_progress();  // for stderr as it is; NO_COLOR is honoured
std::unique_ptr<Progress> make_silent_progress();

}  // namespace espalier
