#pragma once

#include <string>

#include "runtime/base/value.h"
#include "runtime/network/element_transformer.h"
#include "runtime/network/layers.h"

namespace espalier::network {

// Every key of the config with its default; unknown ones are refused. Throws DataError naming origin.
Value complete_element_config(const Value& given, const std::string& origin);
ElementTransformerConfig read_element_config(const Value& complete, const std::string& origin);

// The weights' names, shapes and fresh laws.
WeightSpecs element_weights(const ElementTransformerConfig& config);

}  // namespace espalier::network
