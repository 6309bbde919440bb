#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/value.h"
#include "runtime/exchange/manifest.h"
#include "runtime/sdk/image.h"

// What other programs expect of a folder of samples. A format refuses what its readers would misread, before anything is decoded.
namespace espalier::exchange {

struct FormatInfo {
  std::string name;
  std::string sample_kind;  // "": any
};
const std::vector<FormatInfo>& formats();
const FormatInfo& find_format(const std::string& name);  // throws ConfigError with the nearest name

// Samples, as far as their names go.
struct SampleList {
  std::vector<std::int64_t> index;      // [N], the numbers of their trajectories; ascending, without excluded samples
  std::vector<std::int64_t> condition;  // [N], which of the conditions
  std::vector<std::string> text;        // [C], the conditions' prompts
  std::vector<Value> metadata;          // [C]
  Hex export_id = {};                   // Manifest::id()
};

// Of each condition the positions of its samples in the list.
std::vector<std::vector<std::size_t>> by_condition(const SampleList& list);

// A folder in which every sample is an image of its own.
struct ImageExport {
  std::vector<ExportedSample> samples;       // [N], as the list has them
  std::map<std::string, std::string> texts;  // the other files, by their paths
};

// Hugging Face's ImageFolder: 000012.png by the trajectory's number, and metadata.jsonl with "file_name", "text", "index" and the condition
// metadata as columns. A column of values of several types, or of tables, holds them as JSON texts, because a column has one type there.
// Throws ConfigError for metadata whose name means something else there.
ImageExport imagefolder(const SampleList& list);

// GenEval (djghosh13/geneval, evaluation/evaluate_images.py): 00000/samples/00000.png, and in 00000/metadata.jsonl one object as its prompt
// file has it: "tag", "include", "exclude" where there is one, "prompt"; and kExportId, because the evaluator repeats this object in its
// results. Throws ConfigError for a condition without them.
ImageExport geneval(const SampleList& list);

// T2I-CompBench++ (Karine-Huang/T2I-CompBench): <category>/samples/<prompt>_000000.png, the numbers from 0 in each category, ten a prompt,
// prompt by prompt; without categories samples/ alone. Throws ConfigError where a prompt has '_' or '/' or another number of samples, or
// makes a name of more than 255 bytes.
inline constexpr std::size_t kCompbenchSamples = 10;
ImageExport t2i_compbench(const SampleList& list);

// The record of one molecule for an SD file, with its number as the data item "index"; "" for a molecule that has none. `records`: what
// Codec::records() gives of this sample alone.
std::string sdf_record(const std::map<std::string, std::string>& records, std::int64_t index);

// COCO's layout of boxes: {"images": [{"id", "file_name", "width", "height", "text"}], "annotations": [{"id", "image_id", "category_id",
// "bbox": [left, top, width, height], "area", "iscrowd"}], "categories": [{"id", "name"}]}. Image ids are the numbers of the trajectories;
// a category's id is the class's number plus 1; lengths are in pixels of the drawn page.
class CocoBoxes {
 public:
  void add(const ExportedSample& sample, const std::map<std::string, std::string>& records, const Image& drawn);
  std::string to_text() const;

 private:
  Value::List images_, annotations_;
  std::map<std::int64_t, std::string> categories_;
};

}  // namespace espalier::exchange
