#include <fmt/format.h>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/cli/pipeline.h"
#include "runtime/plan/plan.h"

namespace espalier::cli {
namespace {

Value explain_value(const plan::StagePlan& stage, const std::vector<Difference>& differences) {
  Value::List list;
  for (const auto& difference : differences) {
    list.push_back(Value::Map{{"field", difference.path}, {"old", difference.before}, {"new", difference.after}});
  }
  return Value::Map{{"tag", stage.stage->tag},
                    {"action", plan::action_text(stage)},
                    {"because", stage.because},
                    {"key", stage.key},
                    {"differences", list}};
}

std::string explain_text(const plan::StagePlan& stage, const std::vector<Difference>& differences) {
  auto text = fmt::format("{} ({}): {}, {}\n", stage.stage->tag, stage.stage->type, plan::action_text(stage), stage.because);
  if (!stage.key.empty()) text += fmt::format("  key {}\n", stage.key);
  if (!differences.empty()) text += "  the nearest entry in the cache differs in:\n";
  for (const auto& [field, before, after] : differences) {
    text += fmt::format("    {}: {} -> {}\n", field, before.empty() ? "(absent)" : before, after.empty() ? "(absent)" : after);
  }
  return text;
}

}  // namespace

int explain(const Args& args) {
  CommonOptions common;
  std::string tag;
  Arguments arguments("explain <pipeline.toml> [stage]",
                      "Says for each stage, or one, what its key is and how it differs from the nearest entry.");
  add_pipeline_options(arguments, common);
  arguments.positional("stage", tag, /*required=*/false);
  if (!arguments.parse(args)) return 0;

  const auto pipeline = load_pipeline(common);
  if (!tag.empty() && !pipeline.spec.find(tag)) {
    std::vector<std::string> tags;
    for (const auto& stage : pipeline.spec.stages) tags.push_back(stage.tag);
    throw ConfigError(common.pipeline + ": no stage has the tag '" + tag + "'" + did_you_mean(tag, tags));
  }
  const auto index = open_index(pipeline.spec);
  Value::List list;
  for (const auto& stage : plan::make(pipeline.spec, *index)) {
    if (!tag.empty() && stage.stage->tag != tag) continue;
    const auto differences = plan::nearest_differences(stage, *index);
    if (common.json) {
      list.push_back(explain_value(stage, differences));
    } else {
      print(explain_text(stage, differences));
    }
  }
  if (common.json) print(to_json(Value(list), 2) + "\n");
  return 0;
}

}  // namespace espalier::cli
