#include <fmt/format.h>

#include <algorithm>

#include "plugins/shared/chem/graph.h"
#include "plugins/shared/chem/parallel.h"
#include "plugins/shared/chem_io/lines.h"
#include "plugins/shared/chem_io/readers.h"
#include "plugins/shared/chem_io/smiles_size.h"
#include "plugins/shared/folder/files.h"
#include "runtime/base/errors.h"

namespace espalier::chem {
namespace {

struct Line {
  std::int64_t number = 0;
  std::string smiles;
  std::string reason;    // why there is none
  std::string excluded;  // why a sound one is excluded
  bool left_out = false;
};

// Where a line's SMILES is: in one column of a file whose first line names them.
struct Columns {
  char separator = ' ';  // ',' (RFC 4180), a tab, or ' ' for blanks of any kind
  int smiles = -1;       // -1: no column is named; the SMILES is what stands before the first blank
};

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The fields of a CSV line (RFC 4180, a field on one line): "" inside quotes is one quote.
std::vector<std::string> split_csv(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += c;
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  for (std::string& field : fields) field = std::string(trim(field));
  return fields;
}

std::vector<std::string> split_fields(std::string_view line, char separator) {
  if (separator == ',') return split_csv(line);
  std::vector<std::string> fields;
  if (separator == ' ') {
    for (const std::string_view field : split_blanks(line)) fields.emplace_back(field);
    return fields;
  }
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find(separator, at), line.size());
    fields.emplace_back(trim(line.substr(at, end - at)));
    at = end + 1;
  }
  return fields;
}

// The columns that a first line names, by commas, tabs or blanks; without a column called `smiles` it names none.
Columns read_header(const std::string& line) {
  for (const char separator : {',', '\t', ' '}) {
    const auto fields = split_fields(line, separator);
    const auto found = std::ranges::find(fields, "smiles", [](const std::string& field) { return folder::lower_case(field); });
    if (found != fields.end()) return {separator, static_cast<int>(found - fields.begin())};
  }
  return {};
}

Line take_field(const std::string& line, const Columns& columns, std::int64_t number) {
  if (columns.smiles < 0) return {number, std::string(split_blanks(line).front()), "", ""};
  const auto fields = split_fields(line, columns.separator);
  const auto at = static_cast<std::size_t>(columns.smiles);
  if (at >= fields.size()) {
    return {number, "", fmt::format("{} columns, none of them `smiles`, which is column {}", fields.size(), at + 1), ""};
  }
  if (fields[at].empty()) return {number, "", fmt::format("column {}, `smiles`, is empty", at + 1), ""};
  return {number, fields[at], "", ""};
}

std::vector<Line> read_lines(const std::filesystem::path& path) {
  Lines lines(path);
  std::vector<Line> result;
  const std::string name = folder::lower_case(path.filename().string());
  const bool named_csv = name.ends_with(".csv") || name.ends_with(".csv.gz");
  Columns columns;
  bool first = true;
  for (std::string line; lines.next(line);) {
    if (trim(line).empty() || (columns.smiles < 0 && (line == "#" || line.starts_with("# ")))) continue;
    if (first) {
      first = false;
      columns = read_header(line);
      if (columns.smiles >= 0) continue;
      if (named_csv) throw DataError(fmt::format("{}:{}: a CSV file whose header has no column `smiles`", path.string(), lines.number()));
    }
    result.push_back(take_field(line, columns, lines.number()));
  }
  return result;
}

std::string find_fault(const Graph& graph, const ReadOptions& options) {
  if (!graph.valid()) return graph.reason;
  if (!graph.foreign_element.empty()) return fmt::format("element '{}' is none of H, C, N, O, F", graph.foreign_element);
  if (options.connected && graph.fragments != 1) return fmt::format("in {} pieces", graph.fragments);
  if (graph.atoms > options.max_atoms) {
    return fmt::format("{} atoms with its hydrogens, over the {} there may be", graph.atoms, options.max_atoms);
  }
  return "";
}

// True only of what `judge` would find right and leave out.
bool is_left_out(const std::string& smiles, const ReadOptions& options) {
  if (options.max_heavy_atoms == 0) return false;
  const auto size = read_size(smiles);
  return size && options.leaves_out(size->heavy_atoms) && size->atoms <= options.max_atoms;
}

// Sets the line's reason, or that it is left out or excluded, or `record`.
void judge(Line& line, const ReadOptions& options, SmilesRecord& record) {
  const Graph graph = parse_smiles(line.smiles);
  const std::string fault = find_fault(graph, options);
  if (!fault.empty()) line.reason = quote(line.smiles) + ": " + fault;
  line.left_out = fault.empty() && options.leaves_out(graph.heavy_atoms);
  if (fault.empty() && graph.charge != 0) line.excluded = quote(line.smiles) + ": " + ion_reason(graph.charge);
  record.smiles = graph.smiles;
  record.atoms = graph.atoms;
}

}  // namespace

SmilesList read_smiles(const std::filesystem::path& path, const ReadOptions& options, int threads) {
  std::vector<Line> lines = read_lines(path);
  std::vector<SmilesRecord> records(lines.size());
  for_each_index(lines.size(), threads, [&](std::size_t i) {
    Line& line = lines[i];
    if (!line.reason.empty()) return;
    records[i].record = static_cast<std::int64_t>(i) + 1;
    line.left_out = is_left_out(line.smiles, options);
    if (!line.left_out) judge(line, options, records[i]);
  });
  SmilesList result;
  Defects defects(path, options.on_error);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].reason.empty()) {
      defects.add(static_cast<std::int64_t>(i) + 1, lines[i].number, lines[i].reason);
    } else if (lines[i].left_out) {
      continue;
    } else if (!lines[i].excluded.empty()) {
      defects.exclude(static_cast<std::int64_t>(i) + 1, lines[i].number, lines[i].excluded);
    } else {
      result.records.push_back(std::move(records[i]));
    }
  }
  result.skipped = defects.skipped();
  return result;
}

}  // namespace espalier::chem
