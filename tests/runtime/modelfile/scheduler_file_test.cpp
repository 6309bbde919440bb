#include "runtime/modelfile/scheduler_file.h"

#include <gmock/gmock.h>

#include <fstream>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/diffusion/scheduler_config.h"
#include "tests/runtime/base/folder.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

class SchedulerFileTest : public testing::Test {
 protected:
  void write(const std::string& scheduler, const std::string& pipeline) const {
    fs::create_directories(folder_.path() / "scheduler");
    std::ofstream(folder_.path() / kSchedulerFile) << scheduler;
    std::ofstream(folder_.path() / "model_index.json") << R"({"_class_name": ")" << pipeline << R"("})";
  }
  SchedulerFile read() const { return read_scheduler_file(folder_.path()); }

  TemporaryFolder folder_;
};

// golden.json has what diffusers' StableDiffusionPipeline makes of each file.
TEST_F(SchedulerFileTest, IsAsStableDiffusionPipelineChangesIt) {
  const std::string path = std::string(ESPALIER_SOURCE_DIR) + "/tests/runtime/diffusion/golden.json";
  const auto golden = parse_json(read_file(path), path);
  const auto& entries = golden.at("stable_diffusion_pipeline").as_list();
  ASSERT_EQ(entries.size(), 12U);
  for (const auto& entry : entries) {
    write(to_json(entry.at("file")), "StableDiffusionPipeline");
    const auto config = diffusion::read_scheduler_config(read().table, "x");
    EXPECT_EQ(config.steps_offset, entry.at("steps_offset").as_integer()) << to_json(entry);
    EXPECT_EQ(config.clip_sample, entry.at("clip_sample").as_bool()) << to_json(entry);
  }
}

TEST_F(SchedulerFileTest, NotesWhatThePipelineChanges) {
  write(R"({"_class_name": "DDIMScheduler", "prediction_type": "epsilon"})", "StableDiffusionPipeline");
  EXPECT_THAT(read().notes,
              ElementsAre(AllOf(HasSubstr("steps_offset = 1 and clip_sample = false"), HasSubstr("StableDiffusionPipeline"))));
  write(R"({"_class_name": "DDIMScheduler", "prediction_type": "epsilon", "steps_offset": 1, "clip_sample": false})",
        "StableDiffusionPipeline");
  EXPECT_THAT(read().notes, IsEmpty());
}

TEST_F(SchedulerFileTest, IsTheFilesOwnInOtherPipelines) {
  for (const char* pipeline : {"StableDiffusionXLPipeline", "DiffusionPipeline"}) {
    write(R"({"_class_name": "DDIMScheduler", "prediction_type": "epsilon"})", pipeline);
    EXPECT_EQ(read().table, parse_json(R"({"_class_name": "DDIMScheduler", "prediction_type": "epsilon"})", "x"));
    EXPECT_THAT(read().notes, IsEmpty());
  }
  write(R"({"_class_name": "FlowMatchEulerDiscreteScheduler"})", "StableDiffusionPipeline");
  EXPECT_THAT(read().notes, IsEmpty());
}

TEST_F(SchedulerFileTest, ReadsTheInfinityThatPythonWrites) {
  write(R"({"_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": -Infinity, "prediction_type": "epsilon"})", "A");
  EXPECT_TRUE(read().table.at("lambda_min_clipped").is_null());
  EXPECT_THAT(read().notes, IsEmpty());
  write("[]", "A");
  EXPECT_THAT([&] { read(); }, ThrowsMessage<DataError>(AllOf(HasSubstr(kSchedulerFile), HasSubstr("a table, not a list"))));
}

}  // namespace
}  // namespace espalier::modelfile
