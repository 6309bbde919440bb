#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "plugins/shared/layout/collector.h"
#include "plugins/shared/layout/text_file.h"
#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

using nlohmann::json;

constexpr double kRicoSide = 999.0;

// What is wrong with a record, without its place.
struct Malformed {
  std::string what;
};

std::array<double, 4> four_numbers(const json& element, const char* name) {
  const auto found = element.find(name);
  std::array<double, 4> numbers{};
  if (found == element.end() || !found->is_array() || found->size() != 4) throw Malformed{fmt::format("needs '{}' of four numbers", name)};
  for (std::size_t k = 0; k < 4; ++k) {
    if (!(*found)[k].is_number()) throw Malformed{fmt::format("'{}' has an entry that is no number", name)};
    numbers[k] = (*found)[k].get<double>();
  }
  return numbers;
}

using ReadEdges = std::function<std::optional<Edges>(const json& element)>;  // nothing: leave the element out

std::vector<NamedBox> boxes_of(const json& record, const ReadEdges& read_edges) {
  const auto elements = record.is_object() ? record.find("elements") : record.end();
  if (!record.is_object() || elements == record.end() || !elements->is_array()) throw Malformed{"needs a list 'elements'"};
  std::vector<NamedBox> boxes;
  std::int64_t number = 0;
  for (const json& element : *elements) {
    ++number;
    try {
      const auto name = element.is_object() ? element.find("class") : element.end();
      if (!element.is_object() || name == element.end() || !name->is_string()) throw Malformed{"needs a string 'class'"};
      if (const auto edges = read_edges(element)) boxes.push_back({name->get<std::string>(), *edges, number});
    } catch (const Malformed& error) {
      throw Malformed{fmt::format("element {} {}", number, error.what)};
    }
  }
  return boxes;
}

PageSet read(const std::filesystem::path& path, const ReadOptions& options, const ReadEdges& read_edges) {
  Collector collector(path.string(), "element", options);
  const auto stream = open_text(path);
  std::string line;
  bool first = true;
  for (std::int64_t number = 1; std::getline(*stream, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string name = fmt::format("line {}", number);
    if (first && line[line.find_first_not_of(" \t\r")] == '[') {
      throw DataError(fmt::format("{}: {} begins a JSON array; a page a line is wanted, each a JSON object", path.string(), name));
    }
    first = false;
    try {
      collector.page(name, boxes_of(json::parse(line), read_edges));
    } catch (const json::exception& error) {
      const std::string what = error.what();
      collector.bad_page(name, "malformed JSON", what.substr(what.find("] ") == std::string::npos ? 0 : what.find("] ") + 2));
    } catch (const Malformed& error) {
      collector.bad_page(name, "malformed record", error.what);
    }
  }
  return require_pages(collector.finish(), path);
}

}  // namespace

PageSet read_rico(const std::filesystem::path& path, const ReadOptions& options) {
  return read(path, options, [&](const json& element) -> std::optional<Edges> {
    if (options.top_level_only) {
      const auto depth = element.find("depth");
      if (depth == element.end() || !depth->is_number_integer()) throw Malformed{"needs an integer 'depth'"};
      if (depth->get<std::int64_t>() != 0) return std::nullopt;
    }
    const auto [x0, y0, x1, y1] = four_numbers(element, "box");
    return Edges{x0 / kRicoSide, y0 / kRicoSide, x1 / kRicoSide, y1 / kRicoSide};
  });
}

PageSet read_lines(const std::filesystem::path& path, const ReadOptions& options) {
  return read(path, options, [](const json& element) -> std::optional<Edges> {
    const auto [left, top, width, height] = four_numbers(element, "box_ltwh_norm");
    return Edges{left, top, left + width, top + height};
  });
}

}  // namespace espalier::layout
