#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/chem/atoms.h"
#include "runtime/sdk/metric.h"

// For this folder's tests: a domain whose training examples are the given molecules, and samples of it.
namespace espalier::molecule_quality::testing {

std::unique_ptr<Domain> molecule_domain(std::vector<chem::Atoms> training);

View samples(const std::string& tag, const std::vector<chem::Atoms>& molecules);

}  // namespace espalier::molecule_quality::testing
