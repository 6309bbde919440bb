#pragma once

#include <array>
#include <cstdint>

namespace espalier::random {

// Philox4x32-10 (Salmon et al., SC 2011): a counter-based generator. Equal to Random123's philox4x32 with 10 rounds, bit for bit.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

}  // namespace espalier::random
