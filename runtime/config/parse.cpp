#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/config/document.h"

namespace espalier::config {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr int kMaxNesting = 32;

// Refuses text whose brackets or dotted keys nest deeper than allowed. Must run before the parser, which recurses over them.
class NestingScan {
 public:
  NestingScan(std::string_view text, const std::string& origin) : text_(text), where_{origin, 1, 0} {}

  void run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      step(c);
      ++at_;
    }
  }

 private:
  void step(char c) {
    if (c == '\n') ++where_.line;
    if (c == '[' || c == '{') ++brackets_;
    if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
    if (c == '.') ++dots_;
    if (c == '=' || c == ',' || c == '[' || c == '{' || c == '\n') dots_ = 0;
    if (brackets_ > kMaxNesting || dots_ >= kMaxNesting) {
      throw ConfigError(fmt::format("{}:{}: is nested too deeply; at most {} levels", where_.file, where_.line, kMaxNesting));
    }
  }

  void skip_string(char quote) {
    const std::string triple(3, quote);
    const bool multiline = text_.substr(at_, 3) == triple;
    at_ += multiline ? 3 : 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        if (!multiline) return;  // an unterminated string, which the parser reports
        ++where_.line;
      }
      if (c == '\\' && quote == '"') {
        ++at_;
      } else if (multiline ? text_.substr(at_, 3) == triple : c == quote) {
        at_ += multiline ? 3 : 1;
        return;
      }
      ++at_;
    }
  }

  std::string_view text_;
  SourceSpan where_;
  std::size_t at_ = 0;
  int brackets_ = 0;
  int dots_ = 0;
};

class Converter {
 public:
  Converter(const std::string& origin, Problems& problems) : origin_(origin), problems_(problems) {}

  Node convert(const toml::node& source, const SourceSpan& parent, int depth) {
    Node node;
    node.where = place(source.source(), parent);
    if (depth > kMaxNesting)
      throw ConfigError(fmt::format("{}: is nested too deeply; at most {} levels", node.where.to_string(), kMaxNesting));
    if (const auto* table = source.as_table()) {
      convert_table(*table, node, depth);
    } else if (const auto* array = source.as_array()) {
      node.shape = Node::Shape::list;
      for (const toml::node& element : *array) node.list.push_back(convert(element, node.where, depth + 1));
    } else {
      node.shape = Node::Shape::scalar;
      node.scalar = scalar(source, node.where);
    }
    return node;
  }

 private:
  static bool is_date(const toml::node& node) { return node.is_date() || node.is_time() || node.is_date_time(); }
  void refuse_date(const SourceSpan& where) { problems_.add(where, "found a date or time; a pipeline has none: put it in quotes"); }

  SourceSpan place(const toml::source_region& region, const SourceSpan& parent) const {
    if (region.begin.line == 0) return parent;
    return {origin_, region.begin.line, region.begin.column};
  }

  void convert_table(const toml::table& table, Node& node, int depth) {
    for (const auto& [key, value] : table) {
      const SourceSpan key_place = place(key.source(), node.where);
      if (is_date(value)) {
        refuse_date(place(value.source(), key_place));  // the field is left out, so that it causes no other problem
        continue;
      }
      node.fields.push_back({std::string(key.str()), key_place, convert(value, key_place, depth + 1)});
    }
    std::sort(node.fields.begin(), node.fields.end(), [](const Field& a, const Field& b) {
      return std::tie(a.where.line, a.where.column) < std::tie(b.where.line, b.where.column);
    });
  }

  Value scalar(const toml::node& source, const SourceSpan& where) {
    if (const auto* value = source.as_string()) return value->get();
    if (const auto* value = source.as_integer()) return value->get();
    if (const auto* value = source.as_floating_point()) return value->get();
    if (const auto* value = source.as_boolean()) return value->get();
    refuse_date(where);
    return std::string();
  }

  std::string origin_;
  Problems& problems_;
};

toml::table parse_checked(std::string_view text, const std::string& origin) {
  if (text.size() > kMaxBytes) throw ConfigError(fmt::format("{}: has {} bytes; at most {}", origin, text.size(), kMaxBytes));
  NestingScan(text, origin).run();
  return toml::parse(text);
}

}  // namespace

Node parse_toml(std::string_view text, const std::string& origin, Problems& problems) {
  try {
    const toml::table table = parse_checked(text, origin);
    return Converter(origin, problems).convert(table, {origin, 1, 1}, 0);
  } catch (const toml::parse_error& error) {
    const SourceSpan where{origin, error.source().begin.line, error.source().begin.column};
    throw ConfigError(fmt::format("{}: is not TOML: {}", where.to_string(), error.description()));
  }
}

Node parse_override_value(const std::string& text, const SourceSpan& where) {
  Node bare;
  bare.where = where;
  bare.shape = Node::Shape::scalar;
  bare.scalar = text;
  const auto is = [&](const char* starts) {
    return !text.empty() && std::string_view(starts).find(text.front()) != std::string_view::npos;
  };
  if (text.find_first_of("\r\n") != std::string::npos) throw ConfigError(where.to_string() + ": a value has one line");
  try {
    Problems dates;
    const toml::table table = parse_checked("value = " + text, where.file);
    const Node node = Converter(where.file, dates).convert(table, where, 0);
    if (!dates.empty()) return bare;
    Node value = node.fields.front().value;
    // The parsed places are columns of "value = ...", which the user did not write.
    const auto move_to = [&](Node& moved, const auto& self) -> void {
      moved.where = where;
      for (Node& element : moved.list) self(element, self);
      for (Field& field : moved.fields) {
        field.where = where;
        self(field.value, self);
      }
    };
    move_to(value, move_to);
    return value;
  } catch (const toml::parse_error& error) {
    if (is("\"'[{") || text.empty()) throw ConfigError(fmt::format("{}: is not a TOML value: {}", where.to_string(), error.description()));
    return bare;  // a bare word or a path
  }
}

Document::Document(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Document Document::parse(std::string text, std::string origin, const std::vector<std::string>& overrides) {
  auto impl = std::make_unique<Impl>();
  impl->root = parse_toml(text, origin, impl->problems);
  impl->origin = std::move(origin);
  impl->text = std::move(text);
  impl->overrides = overrides;
  for (const std::string& one : overrides) apply_override(one, impl->root, impl->problems);
  return Document(std::move(impl));
}

Document Document::parse_file(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  std::error_code failure;
  const auto status = std::filesystem::status(path, failure);
  if (!std::filesystem::exists(status)) throw ConfigError(fmt::format("{}: no such pipeline file", path.string()));
  if (!std::filesystem::is_regular_file(status)) throw ConfigError(fmt::format("{}: is not a file", path.string()));
  const auto size = std::filesystem::file_size(path, failure);
  if (!failure && size > kMaxBytes) throw ConfigError(fmt::format("{}: has {} bytes; at most {}", path.string(), size, kMaxBytes));
  try {
    return parse(read_file(path), path.string(), overrides);
  } catch (const DataError& error) {
    throw ConfigError(error.what());
  }
}

}  // namespace espalier::config
