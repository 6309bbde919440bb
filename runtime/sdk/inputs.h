#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/diffusion/step.h"

namespace espalier {

// What a stage gives to the stages that name it.
enum class ResultKind { trajectories, scores, selection, model, findings };
const char* result_name(ResultKind kind);  // also the folder of its entries in the cache

// One declared input, `inputs = { <name> = "<tag>" }` or a list of tags where `many`: the one source of validation, of what the planner
// records, of keys, `plugins info` and docs/reference.
struct InputInfo {
  std::string name;
  ResultKind takes = ResultKind::trajectories;
  std::string of;       // trajectories: the kind of their samples; a model: its role; findings: the metric's type; "" any
  std::string process;  // a model: its noise process; "" any
  enum class Origin {
    any,
    sampled,
    inverted
  } origin = Origin::any;  // trajectories: a sampler's (each has a condition of a split), or
                           // a noise corrector's
  bool examples = false;   // trajectories: their noises with their conditions, as training examples
  bool required = true;
  bool many = false;
  std::vector<Step> records;  // recorded states that are read, besides the sample
  // Steps whose transitions are read: both states, of a sampler whose steps have a law given the state that they leave
  // (Sampler::no_transition_law). Empty: all of the grid.
  std::optional<std::vector<Step>> transitions;
  std::vector<std::string> excludes;  // inputs that may not be named beside it
  std::string doc;

  // What must be recorded, of a grid of `num_steps`, for what is declared. `noise_is_drawn`: the state at step N is fresh noise, which a
  // transition has by drawing it again from the seed.
  std::set<std::int64_t> recorded_steps(std::int64_t num_steps, bool noise_is_drawn = true) const;
  // As a person reads it: "trajectories of image samples, sampled", "model: a classifier", "scores, one or more".
  std::string takes_text() const;
};

// Where a plugin declares its inputs. Those that are usual for its kind are declared before; naming one of them again changes it:
//   in.trajectories("samples").of("molecule");
//   in.model("model", "The classifier to judge with.").of("classifier");
class Inputs {
 public:
  class Declaration {
   public:
    Declaration& of(const std::string& kind);       // trajectories: the kind of their samples; a model: its role; findings: the metric
    Declaration& process(const std::string& name);  // a model: its noise process
    Declaration& sampled();                         // trajectories: only a sampler's
    Declaration& inverted();                        // trajectories: only a noise corrector's
    Declaration& optional();
    Declaration& many();
    Declaration& records(const std::vector<Step>& steps);  // of the trajectories that it is or is about; more each time
    Declaration& records(const Step& step) { return records(std::vector<Step>{step}); }
    // Both states of each, of a sampler whose steps have a law; none: of every step.
    Declaration& transitions(const std::vector<Step>& from = {});
    Declaration& excludes(const std::string& other);  // a pipeline names at most one of the two

   private:
    friend class Inputs;
    explicit Declaration(InputInfo& info) : info_(info) {}
    void expect(bool right, const char* what) const;  // throws InternalError
    InputInfo& info_;
  };

  // Throw InternalError where the name is declared already as something else.
  Declaration model(const std::string& name, const std::string& doc = "");
  Declaration trajectories(const std::string& name, const std::string& doc = "");
  Declaration scores(const std::string& name, const std::string& doc = "");
  Declaration selection(const std::string& name, const std::string& doc = "");
  Declaration findings(const std::string& name, const std::string& doc = "");
  // Trajectories whose noises, with their conditions, are training examples: a sampler's, or those that a noise corrector inverted.
  Declaration examples(const std::string& name, const std::string& doc = "");

  std::vector<InputInfo> infos() const { return {infos_.begin(), infos_.end()}; }

 private:
  Declaration declare(const std::string& name, ResultKind takes, bool examples, const std::string& doc);
  std::deque<InputInfo> infos_;  // declarations refer to its elements
};

}  // namespace espalier
