#pragma once

#include <vector>

#include "runtime/sdk/inputs.h"
#include "runtime/sdk/schema.h"

namespace espalier {

class Domain;

// What every plugin is.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual void options(Schema& schema) { (void)schema; }
  // Relations among the options, and the files that they name, as far as the pipeline file and the disk show them to be wrong. Called by
  // every command after options() has read its values. Throws ConfigError (the options) or DataError (a file).
  virtual void check() const {}
  // Options of a stage that the opened domain shows to be wrong (a field that its samples do not have). Called by every command.
  virtual std::vector<OptionProblem> check_domain(const Domain& domain) const {
    (void)domain;
    return {};
  }
  // How far the numbers of another build of this plugin, or of another machine, may lie from its own and still count as the same: the
  // largest absolute difference over the largest absolute value. 0: equal bits.
  virtual double probe_tolerance() const { return 0.0; }
  // Declares the inputs of a stage, besides those usual for its kind (kinds.h), or changes these (inputs.h). Called after the options were
  // read, of which they may depend.
  virtual void inputs(Inputs& in) { (void)in; }
};

}  // namespace espalier
