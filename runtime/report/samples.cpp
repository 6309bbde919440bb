#include "runtime/report/samples.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "runtime/report/files.h"

namespace espalier::report {
namespace {

std::string line(const exec::SampleRecord& sample, const std::string& file_name) {
  nlohmann::ordered_json json = {
      {"file_name", file_name}, {"text", sample.text}, {"reward", sample.reward}, {"stage", sample.stage}, {"index", sample.index}};
  if (!sample.selection.empty()) json["selection"] = sample.selection;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

void write_samples(const exec::Record& record, const std::filesystem::path& folder) {
  if (record.samples.empty() && record.files.empty()) return;
  make_folder(folder);
  std::string all;
  std::string accepted;
  std::string rejected;
  std::set<std::string> made;
  std::set<std::string> written;  // a sample that several filters judged is one image and one line of metadata.jsonl
  for (const auto& sample : record.samples) {
    const auto stage_folder = folder_name(sample.stage);
    if (made.insert(stage_folder).second) make_folder(folder / stage_folder);
    const auto file_name = fmt::format("{}/{:06}.png", stage_folder, sample.index);
    const auto text = line(sample, file_name);
    if (written.insert(file_name).second) {
      write_file(folder / file_name, encode_png(sample.image));
      all += text;
    }
    if (!sample.selection.empty()) (sample.accepted ? accepted : rejected) += text;
  }
  for (const auto& file : record.files) {
    const auto stage_folder = folder_name(file.stage);
    if (made.insert(stage_folder).second) make_folder(folder / stage_folder);
    write_file(folder / stage_folder / file.name, file.text);
  }
  write_file(folder / "metadata.jsonl", all);
  write_file(folder / "accepted.jsonl", accepted);
  write_file(folder / "rejected.jsonl", rejected);
}

}  // namespace espalier::report
