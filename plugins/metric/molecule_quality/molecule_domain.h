#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/chem/atoms.h"
#include "runtime/sdk/metric.h"

// For this folder's tests: a domain whose states are molecules and whose training examples are the given ones, and samples of it.
namespace espalier::molecule_quality::testing {

// "token" [B, M], "vector" [B, M, 3] (angstrom), "present" [B, M], "frozen" [B, M, 2].
State encode(const std::vector<chem::Atoms>& molecules);

std::unique_ptr<Domain> molecule_domain(std::vector<chem::Atoms> training);

View samples(const std::string& tag, const std::vector<chem::Atoms>& molecules);

}  // namespace espalier::molecule_quality::testing
