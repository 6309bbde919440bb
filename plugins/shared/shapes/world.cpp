#include "plugins/shared/shapes/world.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::shapes {
namespace {

constexpr std::size_t kTrainScenes = 240;  // of 360, two prompts each

template <std::size_t N>
std::size_t word_index(const std::array<const char*, N>& words, const std::string& word, const char* what) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) {
    throw DataError("'" + word + "' is no " + what + " of the shapes world" +
                    did_you_mean(word, std::vector<std::string>(words.begin(), words.end())));
  }
  return static_cast<std::size_t>(found - words.begin());
}

const std::string& pair_element(const Value& metadata, const char* key, std::size_t element) {
  const Value::List& list = metadata.at(key).as_list();
  if (list.size() != 2) {
    throw DataError(std::string("the fact '") + key + "' of a shapes prompt has " + std::to_string(list.size()) +
                    " entries; it needs one for each of the two objects");
  }
  return list[element].as_string();
}

std::vector<Prompt> every_prompt() {
  std::vector<Prompt> prompts;
  constexpr auto kColours = static_cast<std::uint8_t>(kPalette.size());
  for (std::uint8_t first = 0; first < kColours; ++first) {
    for (std::uint8_t second = 0; second < kColours; ++second) {
      if (first == second) continue;
      for (std::uint8_t shapes = 0; shapes < 9; ++shapes) {
        for (std::uint8_t relation = 0; relation < 4; ++relation) {
          prompts.push_back({{first, second}, {Shape(shapes / 3), Shape(shapes % 3)}, Relation(relation)});
        }
      }
    }
  }
  return prompts;
}

Relation opposite(Relation relation) {
  switch (relation) {
    case Relation::above:
      return Relation::below;
    case Relation::below:
      return Relation::above;
    case Relation::left_of:
      return Relation::right_of;
    case Relation::right_of:
      return Relation::left_of;
  }
  throw InternalError("a relation without an opposite");
}

// The digest that decides a scene's split: of the one of its two prompts that has "above" or "left of".
Hex scene_digest(const Prompt& prompt) {
  const bool leads = prompt.relation == Relation::above || prompt.relation == Relation::left_of;
  return sha256(text(leads ? prompt : twin(prompt)));
}

std::vector<Prompt> prompts_of_split(bool train) {
  std::set<Hex> scenes;
  for (const Prompt& prompt : every_prompt()) scenes.insert(scene_digest(prompt));
  const Hex first_held_out = *std::next(scenes.begin(), kTrainScenes);

  std::vector<std::pair<Hex, Prompt>> keyed;
  for (const Prompt& prompt : every_prompt()) {
    if ((scene_digest(prompt) < first_held_out) == train) keyed.emplace_back(sha256(text(prompt)), prompt);
  }
  std::sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Prompt> prompts;
  for (const auto& entry : keyed) prompts.push_back(entry.second);
  return prompts;
}

}  // namespace

std::string text(const Prompt& prompt) {
  const auto object = [&](std::size_t i) {
    return std::string("a ") + kPalette[prompt.colour[i]].name + " " + kShapeNames[static_cast<std::size_t>(prompt.shape[i])];
  };
  return object(0) + " " + kRelationNames[static_cast<std::size_t>(prompt.relation)] + " " + object(1);
}

Value metadata(const Prompt& prompt) {
  Value::List colours, shapes;
  for (std::size_t i = 0; i < 2; ++i) {
    colours.emplace_back(kPalette[prompt.colour[i]].name);
    shapes.emplace_back(kShapeNames[static_cast<std::size_t>(prompt.shape[i])]);
  }
  return Value::Map{{"colours", colours}, {"shapes", shapes}, {"relation", kRelationNames[static_cast<std::size_t>(prompt.relation)]}};
}

Prompt prompt_of(const Value& metadata) {
  std::array<const char*, kPalette.size()> colour_names{};
  for (std::size_t k = 0; k < kPalette.size(); ++k) colour_names[k] = kPalette[k].name;
  Prompt prompt;
  for (std::size_t i = 0; i < 2; ++i) {
    prompt.colour[i] = static_cast<std::uint8_t>(word_index(colour_names, pair_element(metadata, "colours", i), "colour"));
    prompt.shape[i] = static_cast<Shape>(word_index(kShapeNames, pair_element(metadata, "shapes", i), "shape"));
  }
  prompt.relation = static_cast<Relation>(word_index(kRelationNames, metadata.at("relation").as_string(), "relation"));
  if (prompt.colour[0] == prompt.colour[1]) {
    throw DataError(std::string("the two objects of a shapes prompt are both ") + colour_names[prompt.colour[0]] +
                    "; their colours must differ");
  }
  return prompt;
}

Prompt twin(const Prompt& prompt) {
  return {{prompt.colour[1], prompt.colour[0]}, {prompt.shape[1], prompt.shape[0]}, opposite(prompt.relation)};
}

std::vector<Prompt> train_prompts() { return prompts_of_split(/*train=*/true); }

std::vector<Prompt> held_out_prompts() { return prompts_of_split(/*train=*/false); }

}  // namespace espalier::shapes
