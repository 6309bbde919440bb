#pragma once

#include <cstdint>
#include <string>

namespace espalier {

// How far one piece of work is. Private to base; apart from the terminal so that it can be tested.
struct ProgressState {
  std::string label;
  std::int64_t done = 0;
  std::int64_t total = 0;  // 0: unknown
  std::string unit;
  std::string note;
  double seconds = 0.0;
  std::int64_t done_before = 0;  // of `done`: by an earlier run, no part of the rate
};

// "label  45%|=====>    | 90/200 samples [00:12<00:15, 7.5 samples/s] note", at most `width` columns; colour by ANSI codes.
std::string progress_bar(const ProgressState& state, int width, bool colour);

// "label: 90/200 samples, 7.5 samples/s, 00:15 left; note", for logs.
std::string progress_line(const ProgressState& state);

}  // namespace espalier
