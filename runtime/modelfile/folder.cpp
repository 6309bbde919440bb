#include "runtime/modelfile/folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <utility>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/suggest.h"
#include "runtime/modelfile/adapter.h"
#include "runtime/modelfile/adapter_file.h"
#include "runtime/modelfile/component_weights.h"
#include "runtime/modelfile/components.h"
#include "runtime/modelfile/model_index.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/modelfile/scheduler_file.h"
#include "runtime/modelfile/weight_files.h"
#include "runtime/network/adapter.h"
#include "runtime/network/autoencoder_kl.h"
#include "runtime/network/clip_text.h"
#include "runtime/tensor/dtype.h"
#include "runtime/tensor/finite.h"

namespace espalier::modelfile {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAnnotations = "espalier.json";
constexpr const char* kVae = "vae";
constexpr const char* kIndex = "model_index.json";
constexpr const char* kForceZeros = "force_zeros_for_empty_prompt";
constexpr const char* kOtherWeights = "model.safetensors";  // of a model of another role

Value read_json(const fs::path& path) { return parse_json(read_file(path), path.string()); }
void write_json(const Value& value, const fs::path& path) { write_durable(path, to_json(value, 2) + "\n"); }

// transformers' components have another name for the file than diffusers'.
std::string stem_of(const std::string& component) { return is_text_encoder(component) ? "model" : "diffusion_pytorch_model"; }
fs::path weights_file(const std::string& component) { return fs::path(component) / (stem_of(component) + ".safetensors"); }

ModelInfo read_annotations(const fs::path& folder) {
  ModelInfo info;
  const auto path = folder / kAnnotations;
  if (!fs::is_regular_file(path)) return info;
  const auto value = read_json(path);
  try {
    info.read_annotations(value);
  } catch (const Error& error) {
    throw DataError(path.string() + ": " + error.what());
  }
  return info;
}

void check_tokenizer(const Value& config, const TextFront::Named& text, const std::string& origin) {
  if (config.at("vocab_size").as_integer() < text.tokenizer.vocabulary_size()) {
    throw DataError(fmt::format("{}: vocab_size is {}, but {} has {} tokens", origin, config.at("vocab_size").as_integer(), text.vocabulary,
                                text.tokenizer.vocabulary_size()));
  }
  if (config.at("max_position_embeddings").as_integer() < text.tokenizer.max_length()) {
    throw DataError(fmt::format("{}: max_position_embeddings is {}, but {} pads texts to {}", origin,
                                config.at("max_position_embeddings").as_integer(), text.vocabulary, text.tokenizer.max_length()));
  }
}

// What diffusers' pipeline has of them in model_index.json, then what a trained model has in espalier.json, then the options'.
network::NetworkSettings read_settings(const fs::path& folder, const Value& annotated, const LoadOptions& options) {
  network::NetworkSettings settings;
  const auto index = folder / kIndex;
  if (fs::is_regular_file(index)) {
    const auto pipeline = read_json(index);
    if (const auto* zeros = pipeline.find(kForceZeros)) settings.read(Value::Map{{kForceZeros, *zeros}}, index.string());
  }
  settings.read(annotated, (folder / kAnnotations).string());
  settings.read(options.settings, folder.string());
  return settings;
}

// A denoiser without its weights.
struct Denoiser {
  Model model;
  std::vector<std::string> components;  // whose weights it has
};

// A network whose architecture() is not by component could not be saved when it is trained.
void check_architecture(const network::NetworkEntry& entry, const Value& architecture) {
  const auto* config = architecture.is_map() ? architecture.find(entry.component) : nullptr;
  const auto* name = config != nullptr && config->is_map() ? config->find("_class_name") : nullptr;
  if (name != nullptr && *name == Value(entry.class_name)) return;
  throw PluginError(
      fmt::format("{}: the network '{}' gives the architecture {}; it is {{\"{}\": its config, with \"_class_name\": \"{}\"}}",
                  entry.library, entry.class_name, to_json(architecture), entry.component, entry.class_name));
}

void check_dtype(const fs::path& folder, const network::NetworkEntry& entry, at::ScalarType dtype) {
  if (std::ranges::find(entry.dtypes, dtype) != entry.dtypes.end()) return;
  std::vector<std::string> known;
  for (const auto other : entry.dtypes) known.push_back(tensor::dtype_name(other));
  throw ConfigError(
      fmt::format("{}: dtype = \"{}\", but the network '{}' is computed in {} alone; set that in the model's entry of [models]",
                  folder.string(), tensor::dtype_name(dtype), entry.class_name, fmt::join(known, " or ")));
}

// A denoiser's network, and what it was made of.
struct OpenedNetwork {
  const network::NetworkEntry& entry;
  Components components;
  network::NetworkSettings settings;
  std::shared_ptr<const Network> network;
};

OpenedNetwork open_network(const fs::path& folder, const network::Registry& networks, const Value& annotated, const LoadOptions& options) {
  const auto& entry = network_of(folder, networks);
  auto components = read_components(folder, entry);
  set_size(folder, entry, options.height, options.width, components.configs);
  auto settings = read_settings(folder, annotated, options);
  auto network = entry.make(components.configs, settings);
  if (network == nullptr)
    throw PluginError("the network '" + entry.class_name + "' of " + entry.library + " gave none for " + folder.string());
  return {entry, std::move(components), std::move(settings), std::move(network)};
}

Denoiser open_denoiser(const fs::path& folder, const network::Registry& networks, ModelInfo info, const LoadOptions& options) {
  auto [entry, components, settings, network] = open_network(folder, networks, info.settings, options);
  Denoiser opened;
  opened.components = std::move(components.names);
  auto& model = opened.model;
  model.info = std::move(info);
  model.info.settings = settings.to_value();
  model.network = std::move(network);
  model.info.architecture = model.network->architecture();
  model.info.network_version = entry.numerics_version;
  check_architecture(entry, model.info.architecture);
  refuse_other_components(folder, entry);
  check_dtype(folder, entry, options.dtype);
  model.info.dtype = options.dtype;
  const auto scheduler = read_scheduler_file(folder, options.prediction_type);
  model.process = diffusion::make_process(scheduler.table, scheduler.path.string());
  model.info.process = model.process->config();
  if (const auto& texts = components.text_encoders; !texts.empty()) {
    model.text = std::make_shared<const TextFront>(folder);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      check_tokenizer(model.info.architecture.at(texts[i]), model.text->tokenizers()[i], components.configs.at(texts[i]).origin);
    }
    model.info.text_front = model.text->digest();
  }
  return opened;
}

// Throws where no component has files of the variant, with the variants that there are.
void require_variant(const fs::path& folder, const std::vector<std::string>& components, const std::string& variant) {
  std::set<std::string> known;
  for (const auto& component : components) {
    for (auto& name : variants_of(folder / component, stem_of(component))) known.insert(std::move(name));
  }
  if (variant.empty() || known.contains(variant)) return;
  throw DataError(fmt::format(
      "{}: no component has files of the variant '{}'; {}", folder.string(), variant,
      known.empty() ? std::string("none has variants: leave `variant` out") : fmt::format("there are of: {}", fmt::join(known, ", "))));
}

// The files of each component, the variant's where it has them. Of a component without files there are none: its weights are to be drawn.
// Throws where they are not.
std::map<std::string, ComponentWeights> find_denoiser(const fs::path& folder, const std::vector<std::string>& components,
                                                      const LoadOptions& options) {
  require_variant(folder, components, options.variant);
  std::map<std::string, ComponentWeights> found;
  for (const auto& component : components) {
    const auto stem = stem_of(component);
    auto& weights = found[component];
    weights = find_weights(folder / component, stem, options.variant);
    if (weights.files.empty()) weights = find_weights(folder / component, stem);
    if (!weights.files.empty()) continue;
    const auto file = weights_file(component).string();
    const auto other = described_missing_weights(folder, folder / component, stem);
    if (!other.empty()) throw DataError(fmt::format("{}: {} is missing, but {}", folder.string(), file, other));
    if (options.initialize_weights) continue;
    throw DataError(fmt::format("{}: {} is missing; to train from fresh weights set initialize_weights = true", folder.string(), file));
  }
  return found;
}

// The weights of a component, behind its prefix, where they lie.
Weights map_component(const ComponentWeights& files, const std::string& component, Model& model) {
  Weights weights;
  for (auto& [name, tensor] : map_weights(files, model.mapped)) weights.emplace(component + "." + name, tensor);
  if (is_text_encoder(component)) return network::ClipText::rename(std::move(weights), component + ".");
  if (component == kVae) return network::AutoencoderKL::rename(weights, component + ".");
  return weights;
}

// A component without weights is drawn where the options allow it: a blueprint may come with its text encoder trained. Gives whether one
// was.
bool fill_denoiser(const fs::path& folder, const std::vector<std::string>& components, const LoadOptions& options, Model& model) {
  const auto found = find_denoiser(folder, components, options);
  const bool draws = std::ranges::any_of(found, [](const auto& component) { return component.second.files.empty(); });
  if (draws) model.weights = model.network->initialize(*options.initialize_weights);
  for (const auto& component : components) {
    if (found.at(component).files.empty()) continue;
    std::erase_if(model.weights, [&](const auto& weight) { return weight.first.starts_with(component + "."); });
    model.weights.merge(map_component(found.at(component), component, model));
  }
  model.network->check(model.weights, folder.string());
  return draws;
}

Model open_other(const fs::path& folder, ModelInfo info) {
  require_files(folder, {"config.json"}, "a " + info.role + "'s");
  Model model;
  if (const auto other = other_weights_beside(folder / kOtherWeights); !other.empty()) {
    throw DataError((folder / kOtherWeights).string() + ": is missing, but " + other);
  }
  model.mapped.push_back(MappedFile::open(folder / kOtherWeights));
  model.weights = map_safetensors(model.mapped.back());
  model.info = std::move(info);
  model.info.architecture = read_json(folder / "config.json");
  return model;
}

struct Opened {
  Model model;  // everything but digest, components and dtype
  bool drawn = false;
};

Opened open_model(const fs::path& folder, const network::Registry& networks, const LoadOptions& options) {
  require_folder(folder);
  if (fs::exists(folder / kAdapterFile) && !fs::exists(folder / "model_index.json")) {
    throw ConfigError(
        fmt::format("{0}: holds an adapter, not a model: write {{ folder = \"<its base>\", adapter = \"{0}\" }}", folder.string()));
  }
  auto info = read_annotations(folder);
  if (info.role != kDenoiser) {
    if (options.variant.empty() && options.prediction_type.empty() && options.height == 0 && options.width == 0) {
      return {open_other(folder, std::move(info))};
    }
    throw ConfigError(fmt::format("{}: is a model of role '{}', whose entry in [models] takes no variant, prediction_type, height or width",
                                  folder.string(), info.role));
  }
  auto [model, components] = open_denoiser(folder, networks, std::move(info), options);
  const bool drawn = fill_denoiser(folder, components, options, model);
  return {std::move(model), drawn};
}

void name_parts(Model& model) {
  model.info.components = components_of(model.weights);
  model.info.modules = network::adaptable_modules(model.weights);
}

// What is hashed are the bytes that were mapped: a digest is remembered only where the file is still theirs.
Hex unchanged(const std::vector<std::shared_ptr<const MappedFile>>& files, const std::function<Hex()>& compute) {
  auto digest = compute();
  for (const auto& file : files) file->require_unchanged();
  return digest;
}

// Of weights in several files the digest is remembered under the first, by the names of the components and the digests of the other files.
// Of weights that were drawn there is none to remember.
Hex remembered_digest(const Opened& opened, RememberedDigests* digests, const std::function<Hex()>& compute) {
  const auto& files = opened.model.mapped;
  if (digests == nullptr || files.empty() || opened.drawn) return compute();
  auto what =
      fmt::format("weights of {}", opened.model.info.role == kDenoiser ? fmt::format("{}", fmt::join(opened.model.info.components, ", "))
                                                                       : opened.model.info.role);
  for (std::size_t i = 1; i < files.size(); ++i) {
    what +=
        " with " + digests->of(files[i]->path(), "bytes", [&] { return unchanged({files[i]}, [&] { return sha256(files[i]->bytes()); }); });
  }
  return digests->of(files.front()->path(), what, [&] { return unchanged(files, compute); });
}

// Into the dtype that the model is computed in. The files' bytes that were converted take no memory any more.
void convert_weights(Model& model) {
  for (auto& [name, tensor] : model.weights) {
    const auto dtype = model.network == nullptr ? model.info.dtype : model.network->weight_dtype(name, model.info.dtype);
    if (!tensor.is_floating_point() || tensor.scalar_type() == dtype) continue;
    const auto before = std::exchange(tensor, tensor.to(dtype));
    const auto* begin = static_cast<const char*>(before.const_data_ptr());
    for (const auto& file : model.mapped) {
      const auto bytes = file->bytes();
      if (begin >= bytes.data() && begin < bytes.data() + bytes.size()) file->release(begin, before.nbytes());
    }
  }
}

}  // namespace

void check_settings(const Value& settings, const std::string& origin) { network::NetworkSettings().read(settings, origin); }

void require_folder(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw ConfigError(described_missing_folder(folder));
}

const network::NetworkEntry& network_of(const fs::path& folder, const network::Registry& networks) {
  std::vector<std::string> components;
  for (const auto& [name, entry] : networks.entries()) {
    if (std::ranges::find(components, entry.component) == components.end()) components.push_back(entry.component);
  }
  const auto index = read_model_index(folder);
  for (const auto& component : components) {
    const auto path = folder / component / "config.json";
    if ((index && !index->contains(component)) || !fs::is_regular_file(path)) continue;
    const auto config = read_json(path);
    const auto* class_name = config.is_map() ? config.find("_class_name") : nullptr;
    const auto known = networks.class_names();
    if (class_name == nullptr || !class_name->is_string()) {
      throw DataError(fmt::format("{}: names no network (\"_class_name\"); known: {}", path.string(), fmt::join(known, ", ")));
    }
    const auto* entry = networks.find(class_name->as_string());
    if (entry != nullptr && entry->component == component) return *entry;
    throw DataError(fmt::format("{}: the network '{}' is not known{}; known: {}", path.string(), class_name->as_string(),
                                did_you_mean(class_name->as_string(), known), fmt::join(known, ", ")));
  }
  std::vector<std::string> wanted;
  for (const auto& component : components) wanted.push_back(component + "/config.json");
  throw DataError(fmt::format("{}: not a model folder in diffusers' layout; missing: {}", folder.string(), fmt::join(wanted, " or ")));
}

std::shared_ptr<const Network> open_network(const fs::path& folder, const network::Registry& networks, const LoadOptions& options) {
  require_folder(folder);
  const auto annotations = read_annotations(folder);
  if (annotations.role != kDenoiser) return nullptr;
  return open_network(folder, networks, annotations.settings, options).network;
}

ModelInfo info(const fs::path& folder, const network::Registry& networks, const LoadOptions& options, RememberedDigests* digests) {
  auto opened = open_model(folder, networks, options);
  auto& model = opened.model;
  name_parts(model);
  model.info.digest = remembered_digest(opened, digests, [&] {
    tensor::require_finite_weights(model.weights, folder.string());  // here, where a plan opens every model of the pipeline
    return digest_weights(model.weights);
  });
  if (!options.adapter) return std::move(model.info);
  const auto adapted = with_adapter(model, *options.adapter);
  require_trained_adapter(adapted, *options.adapter);
  return adapted.info;
}

Model load(const fs::path& folder, const network::Registry& networks, const LoadOptions& options) {
  auto model = open_model(folder, networks, options).model;
  tensor::require_finite_weights(model.weights, folder.string());
  name_parts(model);
  model.info.digest = digest_weights(model.weights);
  convert_weights(model);
  return options.adapter ? with_adapter(model, *options.adapter) : model;
}

void save(const Model& model, const fs::path& folder) {
  if (!model.info.adapter.empty()) return save_adapter(model, folder);
  const auto write_weights = [&](const std::string& prefix, const fs::path& path) {
    TensorMap component;
    for (const auto& [name, tensor] : model.weights) {
      if (name.starts_with(prefix)) component.emplace(name.substr(prefix.size()), tensor.detach().to(at::kCPU).contiguous());
    }
    write_durable(path, format_safetensors(component));
  };
  write_json(model.info.annotations(), folder / kAnnotations);
  if (model.info.role != kDenoiser) {
    write_json(model.info.architecture, folder / "config.json");
    return write_weights("", folder / kOtherWeights);
  }
  Value index =
      Value::Map{{"_class_name", "DiffusionPipeline"}, {"scheduler", Value::List{"diffusers", model.process->config().at("_class_name")}}};
  for (const auto& [component, config] : model.info.architecture.as_map()) {
    make_folders(folder / component);
    write_json(config, folder / component / "config.json");
    write_weights(component + ".", folder / weights_file(component));
    index[component] = component == kTextEncoder    ? Value(Value::List{"transformers", "CLIPTextModel"})
                       : component == kTextEncoder2 ? Value(Value::List{"transformers", "CLIPTextModelWithProjection"})
                                                    : Value(Value::List{"diffusers", config.at("_class_name")});
  }
  make_folders(folder / "scheduler");
  write_json(model.process->config(), folder / kSchedulerFile);
  if (model.text != nullptr) {
    model.text->save(folder);
    for (const auto& tokenizer : model.text->tokenizers()) index[tokenizer.name] = Value::List{"transformers", "CLIPTokenizer"};
  }
  if (const auto* zeros = model.info.settings.find(kForceZeros)) index[kForceZeros] = *zeros;
  write_json(index, folder / kIndex);
}

}  // namespace espalier::modelfile
