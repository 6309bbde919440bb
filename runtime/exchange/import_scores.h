#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/exchange/manifest.h"

namespace espalier::exchange {

// A file of results, and the category that it is of (t2i_compbench, where prompts have categories).
struct ResultsFile {
  std::string group;
  std::filesystem::path path;
};

// Reads "FILE" or "CATEGORY=FILE". Throws ConfigError where the export has categories and none of them is named, or the other way round.
ResultsFile results_file(const std::string& argument, const Manifest& manifest);

// Reads one score for each exported sample from the files of other programs:
//   .json    T2I-CompBench: a list of {"question_id": 12, "answer": "0.7312"}; an answer may be a number, "" or null. Because it names no
//            image, it must lie where the benchmark's scripts write it, in the export: below <category>/, without categories anywhere
//   .jsonl   GenEval: a line an object with "filename" and "correct"; "prompt", where it has one, must be the sample's, and "metadata",
//            the text of the metadata.jsonl beside the image, must have the export's kExportId
//   .csv     "index,score": the number of the trajectory; the score may be empty
// Returns them by index, [count]; NaN: empty, or not exported. Throws DataError, naming the file and the record, for a sample that is not
// of the export, one that has a score already or none, and a score that is no finite number.
std::vector<double> imported_scores(const Manifest& manifest, const std::vector<ResultsFile>& files);

// The file that reward.imported reads:
//   {"format": "espalier scores 1", "scored_set": as in the manifest, "stage": "...", "results": [names of files], "scores": [0.5, null,
//   ...]}
// with one entry for each trajectory of the view, null for one without a score.
std::string scores_text(const Manifest& manifest, const std::vector<ResultsFile>& files, const std::vector<double>& scores);

}  // namespace espalier::exchange
