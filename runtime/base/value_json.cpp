#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/base/errors.h"
#include "runtime/base/value.h"

namespace espalier {
namespace {

constexpr std::size_t kMaxDepth = 64;

std::string float_text(double value) {
  if (std::isnan(value)) return "\"nan\"";
  if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;  // the shortest that reads back equal
  std::string text(buffer.data(), end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw DataError("a string is not valid UTF-8 and cannot be written as JSON (" + std::to_string(text.size()) + " bytes)");
  }
}

void write(std::string& out, const Value& value, int indent, int level) {
  const auto new_line = [&](int at_level) {
    if (indent >= 0) out += "\n" + std::string(static_cast<std::size_t>(indent * at_level), ' ');
  };
  bool first = true;
  const auto separate = [&] {
    if (!first) out += indent >= 0 ? "," : ", ";
    first = false;
    new_line(level + 1);
  };
  if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_integer()) {
    out += std::to_string(value.as_integer());
  } else if (value.is_float()) {
    out += float_text(value.as_number());
  } else if (value.is_string()) {
    out += quoted(value.as_string());
  } else if (value.is_list()) {
    out += "[";
    for (const auto& element : value.as_list()) {
      separate();
      write(out, element, indent, level + 1);
    }
    if (!first) new_line(level);
    out += "]";
  } else if (value.is_null()) {
    out += "null";
  } else {
    out += "{";
    for (const auto& [name, element] : value.as_map()) {
      separate();
      out += quoted(name) + ": ";
      write(out, element, indent, level + 1);
    }
    if (!first) new_line(level);
    out += "}";
  }
}

// Builds a Value while reading, so that nesting and repeated names are refused before anything deep is built.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const std::string& origin) : origin_(origin) {}
  Value result() && { return std::move(root_); }

  bool null() override { return put(Value(nullptr)); }
  bool boolean(bool value) override { return put(Value(value)); }
  bool number_integer(number_integer_t value) override { return put(Value(std::int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) fail("the integer " + std::to_string(value) + " is above 2^63 - 1");
    return put(Value(static_cast<std::int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    // The lexer hands an integer that fits no 64 bits over as a float.
    if (text.find_first_of(".eE") == std::string::npos) fail("the integer " + text + " does not fit 64 bits");
    return put(Value(static_cast<double>(value)));
  }
  bool string(string_t& value) override { return put(Value(std::move(value))); }
  bool binary(binary_t&) override { fail("binary data is no value"); }
  bool start_object(std::size_t) override { return open(Value(Value::Map{})); }
  bool start_array(std::size_t) override { return open(Value(Value::List{})); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (stack_.back().value.contains(name)) fail("the key '" + name + "' is given twice");
    stack_.back().key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string reason = error.what();
    if (const auto colon = reason.find("] "); colon != std::string::npos) reason = reason.substr(colon + 2);
    throw DataError(origin_ + ": not valid JSON at byte " + std::to_string(position) + ": " + reason);
  }

 private:
  struct Level {
    Value value;
    std::string key;
  };

  [[noreturn]] void fail(const std::string& what) const { throw DataError(origin_ + ": " + what); }

  bool put(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (stack_.back().value.is_list()) {
      stack_.back().value.push_back(std::move(value));
    } else {
      stack_.back().value[stack_.back().key] = std::move(value);
    }
    return true;
  }
  bool open(Value container) {
    if (stack_.size() >= kMaxDepth) fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
    stack_.push_back({std::move(container), ""});
    return true;
  }
  bool close() {
    Value done = std::move(stack_.back().value);
    stack_.pop_back();
    return put(std::move(done));
  }

  const std::string& origin_;
  std::vector<Level> stack_;
  Value root_;
};

}  // namespace

std::string to_json(const Value& value, int indent) {
  std::string out;
  write(out, value, indent, 0);
  return out;
}

Value parse_json(std::string_view text, const std::string& origin) {
  Builder builder(origin);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder).result();
}

}  // namespace espalier
