#pragma once

#include <memory>
#include <string>

#include "runtime/network/network.h"

// The network of config.json's class SignalsNetwork, a residual MLP: state "signal" [B, num_points], condition "label" [B] int64 from 0 to
// num_classes, the last of which is the null condition. Throws DataError naming the origin and the key.
std::shared_ptr<const espalier::Network> make_signals_network(const espalier::Value& config, const std::string& origin);
