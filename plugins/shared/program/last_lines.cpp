#include "plugins/shared/program/last_lines.h"

#include <algorithm>

#include "runtime/base/text.h"

namespace espalier::program {

void LastLines::append(std::string_view bytes) {
  if (bytes.size() > kBytes) bytes.remove_prefix(bytes.size() - kBytes);
  bytes_ += bytes;
  if (bytes_.size() > kBytes) bytes_.erase(0, bytes_.size() - kBytes);
}

std::string LastLines::text() const {
  std::string text = as_utf8(bytes_);
  // A progress bar writes over its line; a terminal's escape sequences may not reach the user's.
  for (auto& c : text) c = c == '\r' ? '\n' : c;
  std::erase_if(text, [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7F; });
  while (text.ends_with('\n')) text.pop_back();
  std::size_t lines = 0, begin = text.size();
  while (begin > 0 && (text[begin - 1] != '\n' || ++lines < kLines)) --begin;
  return text.substr(begin);
}

}  // namespace espalier::program
