#include <fmt/format.h>

#include "runtime/base/value.h"
#include "runtime/cli/pipeline.h"
#include "runtime/sdk/notes.h"

namespace espalier::cli {

int validate(const Args& args) {
  CommonOptions common;
  Arguments arguments("validate <pipeline.toml> [options]",
                      "Checks a pipeline file, its plugins, options and inputs, and opens its domain. Tells every problem at once.");
  add_pipeline_options(arguments, common);
  if (!arguments.parse(args)) return 0;

  const auto pipeline = load_pipeline(common);
  const auto& spec = pipeline.spec;
  if (!common.json) {
    print(fmt::format("{}: ok: '{}', {}, {} stage{}\n", common.pipeline, spec.name, spec.domain_type, spec.stages.size(),
                      spec.stages.size() == 1 ? "" : "s"));
    return 0;
  }
  Value::List stages;
  for (const auto& stage : spec.stages) stages.push_back(Value::Map{{"tag", stage.tag}, {"type", stage.type}});
  Value::List notes;
  for (const auto& note : spec.notes) notes.emplace_back(note);
  const Value result(Value::Map{{"name", spec.name},
                                {"seed", spec.seed},
                                {"domain", spec.domain_type},
                                {"domain_notes", std::move(notes)},
                                {"stages", std::move(stages)}});
  print(to_json(result, 2) + "\n");
  return 0;
}

}  // namespace espalier::cli
