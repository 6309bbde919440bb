// Sampler stages that begin at recorded states of another stage's trajectories: the input `start`.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/config/checks.h"

namespace espalier::config {
namespace {

class Starts {
 public:
  Starts(std::vector<Draft>& drafts, Problems& problems) : drafts_(drafts), problems_(problems) {}

  void follow(Draft& draft) {
    if (!done_.insert(&draft).second) return;  // also ends a cycle, which in_order() reports
    const auto* start = draft.spec.input("start");
    const bool sampler = draft.spec.kind != nullptr && draft.spec.kind->samples() && draft.spec.plugin;
    if (!sampler) return;
    check_options(draft, start != nullptr);
    if (start == nullptr || start->tags.empty()) return;
    const auto source = std::ranges::find_if(drafts_, [&](const Draft& other) { return other.spec.tag == start->tags.front(); });
    if (source == drafts_.end() || source->spec.kind == nullptr || !source->spec.kind->samples() || !source->spec.plugin) return;
    follow(*source);
    take_over(source->spec, draft.spec);
  }

 private:
  void check_options(const Draft& draft, bool starts) {
    const Field* options = draft.node->find("options");
    const auto own = [&](const char* name) { return options == nullptr ? nullptr : options->value.find(name); };
    if (!starts) {
      for (const char* name : {"start_step", "branch"}) {
        if (const Field* given = own(name))
          problems_.add(given->where, fmt::format("{}: '{}' is of a stage with the input 'start'", draft.subject, name));
      }
      return;
    }
    for (const char* name : {"split", "max_conditions", "samples_per_condition", "noise", "block_size"}) {
      if (const Field* given = own(name)) {
        problems_.add(given->where, fmt::format("{}: has the input 'start', so that its '{}' is that of the stage '{}'; leave it out",
                                                draft.subject, name, draft.spec.input("start")->tags.front()));
      }
    }
    if (draft.spec.sampler.start_step == Step()) {
      problems_.add(draft.spec.where,
                    fmt::format("{}: has the input 'start' and begins at the option start_step, an index or a fraction of "
                                "N above 0; found {}",
                                draft.subject, own("start_step") == nullptr ? "none" : "0"));
    }
    if (draft.spec.input("prior") != nullptr)
      problems_.add(draft.spec.where, fmt::format("{}: has both inputs 'start' and 'prior'; it begins at one of them", draft.subject));
  }

  static void take_over(const StageSpec& source, StageSpec& stage) {
    const SamplerView& from = source.sampler;
    SamplerView& to = stage.sampler;
    to.split = from.split;
    to.max_conditions = from.max_conditions;
    to.samples_per_condition = from.samples_per_condition;
    to.noise = from.noise;
    to.block_size = 0;  // fill_in_batches() takes it over
    for (const char* name : {"split", "max_conditions", "noise"}) stage.keyed[name] = source.keyed.at(name);
    stage.view["samples_per_condition"] = source.view.at("samples_per_condition");
  }

  std::vector<Draft>& drafts_;
  Problems& problems_;
  std::set<const Draft*> done_;
};

}  // namespace

void follow_starts(std::vector<Draft>& drafts, Problems& problems) {
  Starts starts(drafts, problems);
  for (Draft& draft : drafts) starts.follow(draft);
}

}  // namespace espalier::config
