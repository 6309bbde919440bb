#pragma once

#include <string>

#include "runtime/sdk/domain.h"
#include "runtime/sdk/stage_context.h"
#include "runtime/selection/law.h"

namespace espalier {

// A filter writes its choice and the probability with which it accepts a sample; its law follows (runtime/selection/law.h).
class Filter : public Plugin {
 public:
  virtual void open(const StageContext& context) { (void)context; }  // before its first select()
  virtual Selection select(const FilterInput& input) const = 0;      // throws StageError when it cannot
  // Of this filter alone, on average over what `select` draws and, as a function of a quantile, over the other samples of the group.
  virtual selection::Acceptance acceptance(const FilterInput& input) const = 0;
  // Its law as a person reads it.
  virtual std::string formula(const FilterInput& input) const = 0;

  // What cannot be selected from such a view (k above the group). In a chain the view is the largest that the filter can be offered. Called
  // before anything is sampled. Throws ConfigError.
  virtual void check_view(const PlannedView& view) const { (void)view; }

  // Whether `select` reads canonical keys. A pipeline whose domain gives none is then refused before anything is sampled.
  virtual bool needs_keys() const { return false; }
  // Whether samples compete only with those of their own condition: the group in which a law takes quantiles.
  virtual bool by_condition() const { return true; }
};

// The filter's law on these samples, alone; that of a chain is estimated (runtime/selection/chain.h). `who` is its type ("filter.top_k").
// Throws as selection::law().
Law law_of(const std::string& who, const Filter& filter, const FilterInput& input);

}  // namespace espalier
