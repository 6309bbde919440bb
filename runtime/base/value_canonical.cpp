// Canonical bytes: value = tag payload; tags 'b' bool (1 byte), 'i' integer, 'f' float (8 bytes little-endian), 's' string (length,
// bytes), 'l' list (count, values), 'm' table (count, then for each name in byte order: length, bytes, value), 'n' null (nothing). Lengths
// and counts are 8 bytes little-endian. Every payload gives its own length, so no two values share bytes.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "runtime/base/value.h"

namespace espalier {
namespace {

void append_word(std::string& out, std::uint64_t word) {
  for (int byte = 0; byte < 8; ++byte) out.push_back(static_cast<char>((word >> (8 * byte)) & 0xff));
}

void append_text(std::string& out, const std::string& text) {
  append_word(out, text.size());
  out += text;
}

void append(std::string& out, const Value& value) {
  if (value.is_bool()) {
    out += value.as_bool() ? std::string_view("b\1", 2) : std::string_view("b\0", 2);
  } else if (value.is_integer()) {
    out.push_back('i');
    append_word(out, static_cast<std::uint64_t>(value.as_integer()));
  } else if (value.is_float()) {
    out.push_back('f');
    const double number = std::isnan(value.as_number()) ? std::numeric_limits<double>::quiet_NaN() : value.as_number();
    append_word(out, std::bit_cast<std::uint64_t>(number));
  } else if (value.is_string()) {
    out.push_back('s');
    append_text(out, value.as_string());
  } else if (value.is_list()) {
    out.push_back('l');
    append_word(out, value.as_list().size());
    for (const auto& element : value.as_list()) append(out, element);
  } else if (value.is_null()) {
    out.push_back('n');
  } else {
    out.push_back('m');
    append_word(out, value.as_map().size());
    for (const auto& [name, element] : value.as_map()) {
      append_text(out, name);
      append(out, element);
    }
  }
}

void compare(const std::string& path, const Value* before, const Value* after, std::vector<Difference>& out);

void compare_maps(const std::string& path, const Value::Map& before, const Value::Map& after, std::vector<Difference>& out) {
  std::set<std::string> names;
  for (const auto& [name, value] : before) names.insert(name);
  for (const auto& [name, value] : after) names.insert(name);
  for (const auto& name : names) {
    const auto in_before = before.find(name);
    const auto in_after = after.find(name);
    compare(path.empty() ? name : path + "." + name, in_before == before.end() ? nullptr : &in_before->second,
            in_after == after.end() ? nullptr : &in_after->second, out);
  }
}

void compare(const std::string& path, const Value* before, const Value* after, std::vector<Difference>& out) {
  if (before && after) {
    if (canonical_bytes(*before) == canonical_bytes(*after)) return;
    if (before->is_map() && after->is_map()) return compare_maps(path, before->as_map(), after->as_map(), out);
    if (before->is_list() && after->is_list()) {
      const auto& left = before->as_list();
      const auto& right = after->as_list();
      for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
        compare(path.empty() ? std::to_string(i) : path + "." + std::to_string(i), i < left.size() ? &left[i] : nullptr,
                i < right.size() ? &right[i] : nullptr, out);
      }
      return;
    }
  }
  out.push_back({path, before ? to_json(*before) : "", after ? to_json(*after) : ""});
}

}  // namespace

std::string canonical_bytes(const Value& value) {
  std::string out;
  append(out, value);
  return out;
}

std::vector<Difference> differences(const Value& before, const Value& after) {
  std::vector<Difference> out;
  compare("", &before, &after, out);
  return out;
}

}  // namespace espalier
