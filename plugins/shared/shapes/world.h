#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/value.h"

// The shapes world: prompts "a {colour} {shape} {relation} a {colour} {shape}" with two different colours, and their images
// (renderer.h). A text-to-image task that a fresh machine can train on and judge exactly.
namespace espalier::shapes {

// Raised whenever the grammar, the split or the renderer changes: enters the digest of examples.
inline constexpr std::int64_t kWorldVersion = 2;

using Rgb = std::array<double, 3>;  // in [0, 1]

struct Colour {
  const char* name;
  Rgb rgb;
};
inline constexpr std::array<Colour, 5> kPalette = {{{"red", {0.90, 0.12, 0.12}},
                                                    {"green", {0.12, 0.75, 0.22}},
                                                    {"blue", {0.15, 0.35, 0.95}},
                                                    {"yellow", {0.95, 0.85, 0.12}},
                                                    {"purple", {0.70, 0.20, 0.80}}}};
inline constexpr Rgb kBackground = {0.06, 0.06, 0.08};

enum class Shape : std::uint8_t { circle, square, triangle };
enum class Relation : std::uint8_t { above, below, left_of, right_of };
inline constexpr std::array<const char*, 3> kShapeNames = {"circle", "square", "triangle"};
inline constexpr std::array<const char*, 4> kRelationNames = {"above", "below", "left of", "right of"};

// "a <first> <relation> a <second>": the first object is above (below, ...) the second.
struct Prompt {
  std::array<std::uint8_t, 2> colour = {0, 1};  // indices into kPalette, different
  std::array<Shape, 2> shape = {Shape::circle, Shape::circle};
  Relation relation = Relation::above;
  bool operator==(const Prompt&) const = default;
};

std::string text(const Prompt& prompt);

// {"colours": [name, name], "shapes": [name, name], "relation": name}, and back. prompt_of throws DataError saying what is missing or
// is no word of this world.
Value metadata(const Prompt& prompt);
Prompt prompt_of(const Value& metadata);

// The prompt that describes the same scene from the other object: "a above b" is "b below a".
Prompt twin(const Prompt& prompt);

// The 720 prompts describe 360 scenes, two prompts each. The 240 scenes with the smallest SHA-256 of the text of their "above" or "left
// of" prompt are for training, the other 120 are held out; so a prompt and its twin are in one split. The split belongs to the world
// and not to a run. Both lists are in the order of the SHA-256 of the prompt's own text.
std::vector<Prompt> train_prompts();
std::vector<Prompt> held_out_prompts();

}  // namespace espalier::shapes
