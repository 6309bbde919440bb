#include "runtime/exchange/import_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/suggest.h"

namespace espalier::exchange {
namespace {

namespace fs = std::filesystem;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::set<std::string> groups_of(const Manifest& manifest) {
  std::set<std::string> groups;
  for (const auto& sample : manifest.samples) groups.insert(sample.group);
  groups.erase("");
  return groups;
}

std::string listed(const std::set<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// The scores given so far, and where.
class Scores {
 public:
  explicit Scores(const Manifest& manifest) : manifest_(manifest), score_(static_cast<std::size_t>(manifest.count()), kNone) {}

  void give(const ExportedSample& sample, double score, const std::string& where) {
    const auto [place, fresh] = given_.emplace(sample.index, where);
    if (!fresh) throw DataError(fmt::format("{}: sample {} has a score already, from {}", where, sample.index, place->second));
    score_.at(static_cast<std::size_t>(sample.index)) = score;
  }

  std::vector<double> all() && {
    std::int64_t missing = 0;
    std::string examples;
    for (const auto& sample : manifest_.samples) {
      if (given_.contains(sample.index)) continue;
      if (++missing <= 3) examples += fmt::format("{}{} ({})", missing > 1 ? ", " : "", sample.index, sample.file);
    }
    if (missing == 0) return std::move(score_);
    throw DataError(fmt::format("{} of the {} samples of the export have no score: {}{}; a score that is not known is an empty one",
                                missing, manifest_.samples.size(), examples, missing > 3 ? ", ..." : ""));
  }

 private:
  const Manifest& manifest_;
  std::vector<double> score_;
  std::map<std::int64_t, std::string> given_;
};

// "" is no score; anything else is a finite number.
double score_from(const std::string& text, const std::string& where) {
  if (text.empty()) return kNone;
  double score = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), score);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(score)) {
    throw DataError(fmt::format("{}: the score '{}' is no finite number; leave it empty where there is none", where, text));
  }
  return score;
}

double score_from(const Value& value, const std::string& where) {
  if (value.is_null()) return kNone;
  if (value.is_string()) return score_from(value.as_string(), where);
  if (!value.is_number()) throw DataError(fmt::format("{}: the score {} is no number", where, to_json(value)));
  return value.as_number();
}

const Value& entry(const Value& record, const char* name, const std::string& where) {
  const auto* value = record.is_map() ? record.find(name) : nullptr;
  if (value == nullptr) throw DataError(fmt::format("{}: has no '{}'", where, name));
  return *value;
}

void require_kind(const Manifest& manifest, const ResultsFile& file, const char* kind, const char* what) {
  if (manifest.kind == kind) return;
  throw DataError(fmt::format("{}: {} are read of an export of the format {}; this one is {}: give a .csv with the columns index,score",
                              file.path.string(), what, kind, manifest.kind));
}

// The scripts write into the folder that they are given the images in, and an export is written into an empty folder.
void require_place(const Manifest& manifest, const ResultsFile& file) {
  const auto folder = fs::weakly_canonical(manifest.folder / file.group);
  const auto found = fs::weakly_canonical(file.path);
  if (std::ranges::mismatch(folder, found).in1 == folder.end()) return;
  throw DataError(
      fmt::format("{}: lies outside of {}, where T2I-CompBench's scripts write their results; answers name no images, so only "
                  "their place shows of which images they are: name the file there, or copy it there if it is of these images",
                  file.path.string(), (manifest.folder / file.group / "").string()));
}

void read_answers(const Manifest& manifest, const ResultsFile& file, Scores& scores) {
  require_kind(manifest, file, "t2i_compbench", "lists of answers (.json)");
  std::map<std::int64_t, const ExportedSample*> by_id;
  for (const auto& sample : manifest.samples) {
    if (sample.group == file.group) by_id.emplace(sample.id, &sample);
  }
  const auto name = file.path.string();
  const auto list = parse_json(read_file(file.path), name);
  require_place(manifest, file);
  if (!list.is_list()) throw DataError(name + ": is no list of {\"question_id\": ..., \"answer\": ...}");
  for (std::size_t i = 0; i < list.as_list().size(); ++i) {
    const auto where = fmt::format("{}: entry {}", name, i + 1);
    const auto& record = list.as_list()[i];
    const auto& id = entry(record, "question_id", where);
    const auto found = id.is_integer() ? by_id.find(id.as_integer()) : by_id.end();
    if (found == by_id.end()) {
      throw DataError(fmt::format("{}: question_id {} is none of the export's, which are 0 to {}", where, to_json(id), by_id.size() - 1));
    }
    scores.give(*found->second, score_from(entry(record, "answer", where), where), where);
  }
}

// "00001/samples/00000.png" of any path that ends so.
std::string last_three(std::string path) {
  std::ranges::replace(path, '\\', '/');
  auto at = path.size();
  for (int parts = 0; parts < 3 && at != 0 && at != std::string::npos; ++parts) at = path.rfind('/', at - 1);
  return at == std::string::npos ? path : path.substr(at + 1);
}

template <class Take>
void for_each_line(const fs::path& path, const Take& take) {
  std::istringstream lines(read_file(path));
  std::string line;
  for (std::int64_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) take(line, fmt::format("{}:{}", path.string(), number));
  }
}

// GenEval's results repeat what stands in the metadata.jsonl of an image's folder, as a text.
void require_export(const Manifest& manifest, const Value& record, const std::string& where) {
  const auto* text = record.find("metadata");
  if (text == nullptr) return;
  const auto metadata = text->is_string() ? parse_json(text->as_string(), where + ": 'metadata'") : *text;
  const auto* id = metadata.is_map() ? metadata.find(kExportId) : nullptr;
  if (id != nullptr && *id == Value(manifest.id())) return;
  throw DataError(fmt::format("{}: its metadata has {} \"{}\", but the export has \"{}\": it is of other images", where,
                              id == nullptr ? "no" : to_json(*id) + " as", kExportId, manifest.id()));
}

void read_verdicts(const Manifest& manifest, const ResultsFile& file, Scores& scores) {
  require_kind(manifest, file, "geneval", "lines of verdicts (.jsonl)");
  std::map<std::string, const ExportedSample*> by_file;
  for (const auto& sample : manifest.samples) by_file.emplace(sample.file, &sample);
  for_each_line(file.path, [&](const std::string& line, const std::string& where) {
    const auto record = parse_json(line, where);
    const auto& name = entry(record, "filename", where);
    const auto found = name.is_string() ? by_file.find(last_three(name.as_string())) : by_file.end();
    if (found == by_file.end()) throw DataError(fmt::format("{}: {} is no image of the export", where, to_json(name)));
    if (const auto* prompt = record.find("prompt"); prompt != nullptr && *prompt != Value(found->second->text)) {
      throw DataError(fmt::format("{}: {} was judged by the prompt {}, but the export has '{}' there: it is of another export", where,
                                  found->first, to_json(*prompt), found->second->text));
    }
    require_export(manifest, record, where);
    const auto& correct = entry(record, "correct", where);
    if (!correct.is_bool()) throw DataError(fmt::format("{}: 'correct' is {}; true or false is wanted", where, to_json(correct)));
    scores.give(*found->second, correct.as_bool() ? 1.0 : 0.0, where);
  });
}

void read_csv(const Manifest& manifest, const ResultsFile& file, Scores& scores) {
  std::map<std::int64_t, const ExportedSample*> by_index;
  for (const auto& sample : manifest.samples) by_index.emplace(sample.index, &sample);
  bool header = true;
  for_each_line(file.path, [&](const std::string& line, const std::string& where) {
    if (std::exchange(header, false)) {
      if (line != "index,score") throw DataError(fmt::format("{}: the header is '{}'; index,score is wanted", where, line));
      return;
    }
    const auto comma = line.find(',');
    std::int64_t index = -1;
    const auto [end, error] = std::from_chars(line.data(), line.data() + std::min(comma, line.size()), index);
    if (comma == std::string::npos || error != std::errc() || end != line.data() + comma) {
      throw DataError(fmt::format("{}: '{}' is no line of the form index,score", where, line));
    }
    const auto found = by_index.find(index);
    if (found == by_index.end()) throw DataError(fmt::format("{}: sample {} is none of the export's", where, index));
    scores.give(*found->second, score_from(line.substr(comma + 1), where), where);
  });
  if (header) throw DataError(file.path.string() + ": is empty; its first line is index,score");
}

void read_results(const Manifest& manifest, const ResultsFile& file, Scores& scores) {
  const auto ending = file.path.extension();
  if (ending == ".json") return read_answers(manifest, file, scores);
  if (ending == ".jsonl") return read_verdicts(manifest, file, scores);
  if (ending == ".csv") return read_csv(manifest, file, scores);
  throw ConfigError(file.path.string() +
                    ": its ending is none of .json (T2I-CompBench's vqa_result.json), .jsonl (GenEval's results) and .csv (index,score)");
}

}  // namespace

ResultsFile results_file(const std::string& argument, const Manifest& manifest) {
  const auto groups = groups_of(manifest);
  const auto sign = argument.find('=');
  if (sign != std::string::npos && groups.contains(argument.substr(0, sign))) return {argument.substr(0, sign), argument.substr(sign + 1)};
  const bool is_csv = fs::path(argument).extension() == ".csv" && fs::exists(argument);  // its indices are those of the whole export
  if (groups.empty() || is_csv) return {"", argument};
  throw ConfigError(
      fmt::format("--results: '{}' names no category of the export; write CATEGORY=FILE, with one of: {}", argument, listed(groups)));
}

std::vector<double> imported_scores(const Manifest& manifest, const std::vector<ResultsFile>& files) {
  Scores scores(manifest);
  for (const auto& file : files) read_results(manifest, file, scores);
  return std::move(scores).all();
}

std::string scores_text(const Manifest& manifest, const std::vector<ResultsFile>& files, const std::vector<double>& scores) {
  Value::List numbers, names;
  for (const auto score : scores) numbers.push_back(std::isnan(score) ? Value(nullptr) : Value(score));
  for (const auto& file : files) names.emplace_back((file.group.empty() ? "" : file.group + "=") + file.path.filename().string());
  return to_json(Value::Map{{"format", "espalier scores 1"},
                            {"scored_set", manifest.scored_set},
                            {"stage", manifest.stage},
                            {"results", std::move(names)},
                            {"scores", std::move(numbers)}}) +
         "\n";
}

}  // namespace espalier::exchange
