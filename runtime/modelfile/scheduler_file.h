#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/base/value.h"

namespace espalier::modelfile {

inline constexpr const char* kSchedulerFile = "scheduler/scheduler_config.json";  // in the folder of a denoiser

// kSchedulerFile of a model folder, as the folder's pipeline uses it. If model_index.json names StableDiffusionPipeline, steps_offset is
// set to 1 and clip_sample to false, as StableDiffusionPipeline.__init__ does (diffusers 0.42.1,
// pipelines/stable_diffusion/pipeline_stable_diffusion.py).
struct SchedulerFile {
  std::filesystem::path path;
  Value table;
  std::vector<std::string> notes;  // sentences for the user on how the file is read
};

// `prediction_type` replaces the file's; "": keeps it. Throws DataError if the file is not a JSON table, ConfigError if processes of the
// file's class have no prediction_type. diffusion::make_process interprets the keys.
SchedulerFile read_scheduler_file(const std::filesystem::path& folder, const std::string& prediction_type = "");

}  // namespace espalier::modelfile
