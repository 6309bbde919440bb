#include "runtime/modelfile/components.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/modelfile/model_index.h"
#include "runtime/modelfile/scheduler_file.h"
#include "runtime/modelfile/tokenizer_files.h"
#include "runtime/network/autoencoder_kl.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

using Index = std::optional<std::map<std::string, std::string>>;  // read_model_index()

// Returns whether the folder's index names the component; without an index, whether the folder has `piece`.
bool has_component(const fs::path& folder, const Index& index, const std::string& component, const std::string& piece) {
  return index ? index->contains(component) : fs::exists(folder / piece);
}

std::string tokenizer_of(const std::string& text_encoder) { return text_encoder == kTextEncoder ? "tokenizer" : "tokenizer_2"; }

// Returns whether the folder has any part of a text encoder; if it does, it must have all.
bool has_text_encoder(const fs::path& folder, const Index& index, const std::string& encoder) {
  const auto tokenizer = tokenizer_of(encoder);
  return has_component(folder, index, encoder, encoder) || has_component(folder, index, tokenizer, tokenizer);
}

// Returns the pixels per side of one element of the network's states; 1: the states are the images.
std::int64_t factor_of(const network::ComponentConfigs& configs) {
  const auto vae = configs.find("vae");
  return vae == configs.end() ? 1 : network::AutoencoderKL(vae->second.config, vae->second.origin).factor();
}

}  // namespace

bool is_text_encoder(const std::string& component) { return component == kTextEncoder || component == kTextEncoder2; }

void require_files(const fs::path& folder, const std::vector<std::string>& pieces, const std::string& layout) {
  std::string missing;
  for (const auto& piece : pieces) {
    if (!fs::is_regular_file(folder / piece)) missing += (missing.empty() ? "" : ", ") + piece;
  }
  if (!missing.empty()) throw DataError(folder.string() + ": not a model folder in " + layout + " layout; missing: " + missing);
}

Components read_components(const fs::path& folder, const network::NetworkEntry& entry) {
  const auto index = read_model_index(folder);
  Components found{{entry.component}, {}, {}};
  std::vector<std::string> pieces = {kSchedulerFile}, others;
  for (const auto& component : entry.with) {
    const auto config = component + "/config.json";
    if (!is_text_encoder(component)) {
      if (!has_component(folder, index, component, config)) continue;
      others.push_back(config);
    } else {
      if (!has_text_encoder(folder, index, component)) continue;
      found.text_encoders.push_back(component);
      pieces.push_back(config);
      const auto tokenizer = tokenizer_of(component);
      for (const auto& file : required_tokenizer_files(folder / tokenizer)) pieces.push_back(tokenizer + "/" + file);
    }
    found.names.push_back(component);
  }
  pieces.insert(pieces.end(), others.begin(), others.end());
  require_files(folder, pieces, "diffusers'");
  for (const auto& component : found.names) {
    const auto path = folder / component / "config.json";
    found.configs.emplace(component, network::ComponentConfig{parse_json(read_file(path), path.string()), path.string()});
  }
  return found;
}

void refuse_other_components(const fs::path& folder, const network::NetworkEntry& entry) {
  const auto index = read_model_index(folder);
  if (!index) return;
  std::vector<std::string> known = {entry.component, "scheduler"};
  for (const auto& component : entry.with) {
    known.push_back(component);
    if (is_text_encoder(component)) known.push_back(tokenizer_of(component));
  }
  for (const auto& [component, class_name] : *index) {
    if (std::ranges::find(known, component) != known.end()) continue;
    throw DataError(fmt::format("{}: names the component '{}' ({}), which a model with the network '{}' does not have here; it has: {}",
                                (folder / "model_index.json").string(), component, class_name, entry.class_name, fmt::join(known, ", ")));
  }
}

void set_size(const fs::path& folder, const network::NetworkEntry& entry, std::int64_t height, std::int64_t width,
              network::ComponentConfigs& configs) {
  if (height == 0 && width == 0) return;
  auto& config = configs.at(entry.component).config;
  if (height == 0 || width == 0) {
    throw ConfigError(
        fmt::format("{}: height and width are set together; {} is missing", folder.string(), height == 0 ? "height" : "width"));
  }
  if (config.find("sample_size") == nullptr) {
    throw ConfigError(fmt::format("{}: the network '{}' has no sample_size, and height and width mean nothing to it; leave them out",
                                  folder.string(), entry.class_name));
  }
  const auto factor = factor_of(configs);
  for (const auto& [name, pixels] : {std::pair("height", height), std::pair("width", width)}) {
    if (pixels % factor == 0) continue;
    throw ConfigError(fmt::format("{}: {} is {}, but the vae makes {} pixels of each latent; take a multiple of {}", folder.string(), name,
                                  pixels, factor, factor));
  }
  const Value size = Value::List{height / factor, width / factor};
  const auto& there = config.at("sample_size");
  if (there != size && Value::List{there, there} != size) config["sample_size"] = size;  // an equal size keeps its form, and so the key
}

}  // namespace espalier::modelfile
