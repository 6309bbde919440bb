#include "runtime/modelfile/scheduler_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/diffusion/scheduler_config.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

// Python writes the default of DPMSolverMultistepScheduler's lambda_min_clipped as -Infinity, which is no JSON. It means none.
Value parse(const fs::path& path) {
  static const std::regex none(R"(("lambda_min_clipped"\s*:\s*)-Infinity)");
  return parse_json(std::regex_replace(read_file(path), none, "$1null"), path.string());
}

std::string pipeline_of(const fs::path& folder) {
  const auto path = folder / "model_index.json";
  if (!fs::is_regular_file(path)) return "";
  const auto index = parse_json(read_file(path), path.string());
  const auto* name = index.is_map() ? index.find("_class_name") : nullptr;
  return name != nullptr && name->is_string() ? name->as_string() : "";
}

// As StableDiffusionPipeline.__init__, for a scheduler that has been read.
void use_as_stable_diffusion(SchedulerFile& file) {
  const auto config = diffusion::read_scheduler_config(file.table, file.path.string());
  std::string changed;
  const auto set = [&](const char* key, Value value) {
    changed += fmt::format("{}{} = {}", changed.empty() ? "" : " and ", key, to_json(value));
    file.table[key] = std::move(value);
  };
  if (config.steps_offset != 1) set("steps_offset", 1);
  if (config.clip_sample) set("clip_sample", false);
  if (!changed.empty()) file.notes.push_back(changed + ", as a StableDiffusionPipeline sets it, whatever the file says");
}

bool is_variance_preserving(const Value& table) {
  const auto* name = table.find("_class_name");
  const auto& known = diffusion::variance_preserving_schedulers();
  return name != nullptr && name->is_string() && std::ranges::find(known, name->as_string()) != known.end();
}

}  // namespace

SchedulerFile read_scheduler_file(const fs::path& folder, const std::string& prediction_type) {
  SchedulerFile file;
  file.path = folder / kSchedulerFile;
  file.table = parse(file.path);
  if (!file.table.is_map())
    throw DataError(fmt::format("{}: a scheduler's config is a table, not a {}", file.path.string(), file.table.type_name()));
  if (!prediction_type.empty()) {
    if (!is_variance_preserving(file.table)) {
      throw ConfigError(fmt::format("{}: prediction_type = \"{}\" is set, but a process of this class has none; leave it out",
                                    file.path.string(), prediction_type));
    }
    file.table["prediction_type"] = prediction_type;
  }
  file.notes = diffusion::scheduler_notes(file.table);
  if (pipeline_of(folder) == "StableDiffusionPipeline" && is_variance_preserving(file.table)) use_as_stable_diffusion(file);
  for (auto& note : file.notes) note = "scheduler_config.json: " + note;
  return file;
}

}  // namespace espalier::modelfile
