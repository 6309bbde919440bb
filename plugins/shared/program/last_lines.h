#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace espalier::program {

// The end of a program's log, as messages quote it: at most kLines lines of at most kBytes bytes together.
class LastLines {
 public:
  static constexpr std::size_t kLines = 20;
  static constexpr std::size_t kBytes = 4096;

  void append(std::string_view bytes);
  // Valid UTF-8 without control characters but \n; "" where nothing was written.
  std::string text() const;

 private:
  std::string bytes_;
};

}  // namespace espalier::program
