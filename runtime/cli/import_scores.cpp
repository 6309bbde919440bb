#include "runtime/exchange/import_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cli/command.h"

namespace espalier::cli {

int import_scores(const Args& args) {
  std::string folder, out;
  std::vector<std::string> results;
  bool json = false;
  Arguments arguments("import-scores <export> --results [CATEGORY=]FILE --out FILE",
                      "Checks the results of another program against the export that it judged, and writes the file of scores that "
                      "reward.imported reads.");
  arguments.positional("export", folder);
  arguments.texts("results", results,
                  "FILE: T2I-CompBench's vqa_result.json (CATEGORY=FILE, one of each category), GenEval's results.jsonl, or a .csv of "
                  "index,score");
  arguments.text("out", out, "FILE: the scores; a file that is there is replaced");
  arguments.flag("json", json, "print the result as JSON");
  if (!arguments.parse(args)) return 0;

  if (results.empty()) throw ConfigError("--results is missing: name a file of results");
  if (out.empty()) throw ConfigError("--out is missing: name the file of scores to write");
  const auto manifest = exchange::read_manifest(folder);
  std::vector<exchange::ResultsFile> files;
  for (const auto& argument : results) files.push_back(exchange::results_file(argument, manifest));
  const auto scores = exchange::imported_scores(manifest, files);
  try {
    replace_file(out, exchange::scores_text(manifest, files, scores));
  } catch (const CacheError& error) {
    throw DataError(error.what());
  }
  const auto scored = std::ranges::count_if(scores, [](double score) { return std::isfinite(score); });
  const auto none = std::ssize(scores) - scored;
  const Value value = Value::Map{{"file", out}, {"scores", std::int64_t{scored}}, {"without", std::int64_t{none}}};
  print(json ? to_json(value, 2) + "\n"
             : fmt::format("{}: {} scores of '{}', {} samples without one\n", out, scored, manifest.stage, none));
  return 0;
}

}  // namespace espalier::cli
