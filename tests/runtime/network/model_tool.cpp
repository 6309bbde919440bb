// What parity.py drives: networks, tokenizers and optimizers over safetensors and JSON files.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/base/value.h"
#include "runtime/modelfile/adapter.h"
#include "runtime/modelfile/adapter_file.h"
#include "runtime/modelfile/folder.h"
#include "runtime/modelfile/safetensors.h"
#include "runtime/modelfile/tokenizer.h"
#include "runtime/modelfile/word_vocabulary.h"
#include "runtime/network/autoencoder_kl.h"
#include "runtime/network/clip_text.h"
#include "runtime/network/element_transformer.h"
#include "runtime/network/flops.h"
#include "runtime/network/layers.h"
#include "runtime/network/unet.h"
#include "runtime/sdk/encoding.h"
#include "runtime/tensor/dtype.h"
#include "runtime/training/optimizer.h"
#include "runtime/training/trainable_weights.h"

namespace {

using namespace espalier;
using namespace espalier::network;
using namespace espalier::modelfile;
using namespace espalier::training;
using Arguments = std::vector<std::string>;
using Named = std::vector<std::pair<std::string, at::Tensor>>;

Value read_json(const std::string& path) { return parse_json(read_file(path), path); }

void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

at::Tensor optional(const TensorMap& tensors, const std::string& name) { return tensors.contains(name) ? tensors.at(name) : at::Tensor(); }

at::Tensor run_unet(const UNet& unet, const TensorMap& weights, const TensorMap& inputs, const std::string& prefix = "") {
  return unet.forward(weights, prefix, inputs.at("sample"), inputs.at("timestep"),
                      {optional(inputs, "encoder_hidden_states"), optional(inputs, "class_labels"), optional(inputs, "text_embeds"),
                       optional(inputs, "time_ids")});
}

// unet CONFIG WEIGHTS INPUTS OUT
void unet(const Arguments& arguments) {
  const UNet network(read_json(arguments[0]), arguments[0]);
  const auto weights = read_safetensors(arguments[1]);
  network.check(weights, "", arguments[1]);
  const c10::InferenceMode inference;
  write(arguments[3], format_safetensors({{"sample", run_unet(network, weights, read_safetensors(arguments[2]))}}));
}

// unet_flops CONFIG WEIGHTS INPUTS: of one call
void unet_flops(const Arguments& arguments) {
  const UNet network(read_json(arguments[0]), arguments[0]);
  const auto weights = read_safetensors(arguments[1]), inputs = read_safetensors(arguments[2]);
  const at::NoGradGuard no_grad;
  std::printf("%.0f\n", count_flops([&] { run_unet(network, weights, inputs); }));
}

// unet_gradients CONFIG WEIGHTS INPUTS OUT: of the mean square of the output
void unet_gradients(const Arguments& arguments) {
  const UNet network(read_json(arguments[0]), arguments[0]);
  auto weights = read_safetensors(arguments[1]);
  for (auto& [name, weight] : weights) weight.requires_grad_(true);
  run_unet(network, weights, read_safetensors(arguments[2])).square().mean().backward();
  TensorMap gradients;
  for (const auto& [name, weight] : weights) gradients[name] = weight.grad();
  write(arguments[3], format_safetensors(gradients));
}

// The U-Net's weights behind "unet.", with the adapter of the file.
Model with_lora(const std::string& weights, const std::string& adapter) {
  Model base;
  for (const auto& [name, tensor] : read_safetensors(weights)) base.weights.emplace("unet." + name, tensor);
  return with_adapter(base, adapter);
}

// unet_lora CONFIG WEIGHTS ADAPTER INPUTS OUT WRITTEN: also writes the adapter again
void unet_lora(const Arguments& arguments) {
  const UNet network(read_json(arguments[0]), arguments[0]);
  const auto model = with_lora(arguments[1], arguments[2]);
  const auto inputs = read_safetensors(arguments[3]);
  write(arguments[5], format_adapter(model.weights));
  const c10::InferenceMode inference;
  write(arguments[4], format_safetensors({{"sample", run_unet(network, model.weights, inputs, "unet.")}}));
}

// unet_lora_gradients CONFIG WEIGHTS ADAPTER INPUTS OUT OPTIONS.json: of the mean square of the output, as training has them
void unet_lora_gradients(const Arguments& arguments) {
  const UNet network(read_json(arguments[0]), arguments[0]);
  const auto model = with_lora(arguments[1], arguments[2]);
  LoraOptions lora;
  Schema schema;
  lora.options(schema);
  for (const auto& problem : schema.read(read_json(arguments[5]))) throw ConfigError(problem.option + " " + problem.message);
  TrainableWeights weights("model_tool", model, {"unet"}, lora, 0);
  run_unet(network, weights.current(), read_safetensors(arguments[3]), "unet.").square().mean().backward();
  TensorMap gradients;
  for (const auto& [name, parameter] : weights.parameters()) gradients[name] = parameter.grad();
  for (const auto& [name, tensor] : model.weights) {
    if (tensor.grad().defined()) throw InternalError("'" + name + "' is frozen and has a gradient");
  }
  write(arguments[4], format_safetensors(gradients));
}

// clip CONFIG WEIGHTS INPUTS OUT
void clip(const Arguments& arguments) {
  const ClipText text(read_json(arguments[0]), arguments[0]);
  const auto weights = ClipText::rename(read_safetensors(arguments[1]), "");
  text.check(weights, "", arguments[1]);
  const c10::InferenceMode inference;
  const auto output = text.forward(weights, "", read_safetensors(arguments[2]).at("input_ids"));
  TensorMap out{{"last_hidden_state", text.final_layer_norm(weights, "", output.hidden_states.back())}};
  for (std::size_t i = 0; i < output.hidden_states.size(); ++i) out["hidden_states." + std::to_string(i)] = output.hidden_states[i];
  if (output.text_embeds.defined()) out["text_embeds"] = output.text_embeds;
  write(arguments[3], format_safetensors(out));
}

// What `compute` gives; prints its seconds.
TensorMap timed(const std::function<TensorMap()>& compute) {
  const auto begin = std::chrono::steady_clock::now();
  auto out = compute();
  std::printf("%.3f\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return out;
}

// A dtype that may follow the other arguments; float32 where none does.
at::ScalarType dtype_after(const Arguments& arguments, std::size_t others) {
  return arguments.size() > others ? tensor::compute_dtype(arguments[others]).value() : at::kFloat;
}

void run_vae(const Arguments& arguments, bool tiling) {
  const AutoencoderKL network(read_json(arguments[0]), arguments[0], tiling);
  auto weights = AutoencoderKL::rename(read_safetensors(arguments[1]), "");
  network.check(weights, "", arguments[1]);
  for (auto& [name, weight] : weights) weight = weight.to(dtype_after(arguments, 4));
  const auto inputs = read_safetensors(arguments[2]);
  const auto& z = inputs.at("z");
  const c10::InferenceMode inference;
  write(arguments[3], format_safetensors(timed([&] {
          const auto posterior = network.encode(weights, "", inputs.at("image"));
          return TensorMap{{"mean", posterior.mean.contiguous()},
                           {"logvar", posterior.logvar},
                           {"decoded", network.decode(weights, "", z)},
                           {"scaled", network.scaled(posterior.mean).contiguous()},
                           {"unscaled", network.unscaled(z)}};
        })));
}

// vae CONFIG WEIGHTS INPUTS OUT [DTYPE]: the posterior of "image", "z" decoded, "scaled" of the mean and "unscaled" of "z"
void vae(const Arguments& arguments) { run_vae(arguments, /*tiling=*/false); }
// vae_tiled, likewise: in tiles
void vae_tiled(const Arguments& arguments) { run_vae(arguments, /*tiling=*/true); }

ElementInput element_input(const TensorMap& inputs) {
  return {inputs.at("token"), inputs.at("vector"), inputs.at("present"), inputs.at("frozen"), inputs.at("visit"), inputs.at("timestep")};
}

// elements CONFIG WEIGHTS INPUTS OUT
void elements(const Arguments& arguments) {
  const ElementTransformer network(read_json(arguments[0]), arguments[0]);
  const auto weights = read_safetensors(arguments[1]);
  network.check(weights, "", arguments[1]);
  const c10::InferenceMode inference;
  const auto output = network.forward(weights, "", element_input(read_safetensors(arguments[2])));
  write(arguments[3], format_safetensors({{"logits", output.logits}, {"vector", output.vector}}));
}

// elements_gradients CONFIG WEIGHTS INPUTS OUT: of the mean squares of both outputs
void elements_gradients(const Arguments& arguments) {
  const ElementTransformer network(read_json(arguments[0]), arguments[0]);
  auto weights = read_safetensors(arguments[1]);
  for (auto& [name, weight] : weights) weight.requires_grad_(true);
  const auto output = network.forward(weights, "", element_input(read_safetensors(arguments[2])));
  (output.logits.square().mean() + output.vector.square().mean()).backward();
  TensorMap gradients;
  for (const auto& [name, weight] : weights) gradients[name] = weight.grad();
  write(arguments[3], format_safetensors(gradients));
}

// elements_flops CONFIG WEIGHTS INPUTS: of one call
void elements_flops(const Arguments& arguments) {
  const ElementTransformer network(read_json(arguments[0]), arguments[0]);
  const auto weights = read_safetensors(arguments[1]);
  const auto input = element_input(read_safetensors(arguments[2]));
  const at::NoGradGuard no_grad;
  std::printf("%.0f\n", count_flops([&] { network.forward(weights, "", input); }));
}

// fresh unet|clip|elements|vae CONFIG SEED FOLDER
void fresh(const Arguments& arguments) {
  const auto config = read_json(arguments[1]);
  const auto seed = std::stoull(arguments[2]);
  const auto save = [&](const auto& network, const std::string& file) {
    write(arguments[3] + "/config.json", to_json(network.config(), 2));
    write(arguments[3] + "/" + file, format_safetensors(network.initialize("", seed)));
  };
  if (arguments[0] == "unet") {
    save(UNet(config, arguments[1]), "diffusion_pytorch_model.safetensors");
  } else if (arguments[0] == "vae") {
    save(AutoencoderKL(config, arguments[1]), "diffusion_pytorch_model.safetensors");
  } else if (arguments[0] == "elements") {
    save(ElementTransformer(config, arguments[1]), "diffusion_pytorch_model.safetensors");
  } else {
    save(ClipText(config, arguments[1]), "model.safetensors");
  }
}

// copy IN OUT
void copy(const Arguments& arguments) { write(arguments[1], format_safetensors(read_safetensors(arguments[0]))); }

// embed FOLDER REQUEST.json OUT [DTYPE]: {"prompts", "settings", "negative_prompt" or none} as the model's network embeds them; its null
// condition behind "null."
void embed(const Arguments& arguments) {
  const auto request = read_json(arguments[1]);
  const auto model = load(arguments[0], engine_networks(), {.dtype = dtype_after(arguments, 3), .settings = request.at("settings")});
  Conditions conditions;
  for (const auto& prompt : request.at("prompts").as_list()) conditions.text.push_back(prompt.as_string());
  const auto* negative = request.find("negative_prompt");
  const auto encoded = encode_conditions(conditions, model, negative == nullptr ? std::nullopt : std::optional(negative->as_string()));
  const c10::InferenceMode inference;
  auto out = timed([&] {
    auto embedded = model.network->embed(model.weights, encoded.tensors);
    for (auto& [name, tensor] : model.network->embed(model.weights, encoded.null_tensors)) embedded["null." + name] = tensor;
    return embedded;
  });
  for (auto& [name, tensor] : out) tensor = tensor.contiguous();
  write(arguments[2], format_safetensors(out));
}

// predict FOLDER INPUTS OUT [DTYPE]: of embedded conditions
void predict(const Arguments& arguments) {
  const auto model = load(arguments[0], engine_networks(), {.dtype = dtype_after(arguments, 3)});
  const auto inputs = read_safetensors(arguments[1]);
  const c10::InferenceMode inference;
  write(arguments[2], format_safetensors(timed([&] {
          return model.network->predict(model.weights, {{"sample", inputs.at("sample")}}, inputs.at("timestep"), inputs);
        })));
}

// attention INPUTS HEADS OUT
void attend(const Arguments& arguments) {
  const auto inputs = read_safetensors(arguments[0]);
  const c10::InferenceMode inference;
  const auto out = attention(inputs.at("query"), inputs.at("key"), inputs.at("value"), std::stoll(arguments[1]));
  write(arguments[2], format_safetensors({{"out", out}}));
}

// tokenize FOLDER TEXTS.json OUT.json
void tokenize(const Arguments& arguments) {
  const ClipTokenizer tokenizer(arguments[0]);
  Value all = Value::List{};
  const auto texts = read_json(arguments[1]);
  for (const auto& text : texts.as_list()) {
    Value ids = Value::List{};
    for (const auto id : tokenizer.encode(text.as_string()).ids) ids.push_back(id);
    all.push_back(ids);
  }
  write(arguments[2], to_json(all));
}

// words FOLDER LENGTH WORD...
void words(const Arguments& arguments) {
  write_word_vocabulary(arguments[0], {arguments.begin() + 2, arguments.end()}, std::stoll(arguments[1]));
}

// train INPUTS OPTIONS.json OUT: AdamW, clipping and EMA over given gradients "<step>.<name>"
void train(const Arguments& arguments) {
  const auto inputs = read_safetensors(arguments[0]);
  const auto options = read_json(arguments[1]);
  Named parameters;
  for (const auto* name : {"a", "b"}) parameters.emplace_back(name, inputs.at(name).clone().requires_grad_(true));
  const AdamWOptions adamw{.learning_rate = options.at("learning_rate").as_number(),
                           .adam_beta1 = options.at("adam_beta1").as_number(),
                           .adam_beta2 = options.at("adam_beta2").as_number(),
                           .adam_weight_decay = options.at("adam_weight_decay").as_number(),
                           .adam_epsilon = options.at("adam_epsilon").as_number()};
  AdamW optimizer(parameters, adamw);
  Ema ema(parameters, options.at("ema_decay").as_number());
  TensorMap out;
  for (std::int64_t step = 0; step < options.at("steps").as_integer(); ++step) {
    for (auto& [name, parameter] : parameters) parameter.mutable_grad() = inputs.at(std::to_string(step) + "." + name).clone();
    out["norm." + std::to_string(step)] = optimizer.clip_gradients(options.at("max_grad_norm").as_number());
    optimizer.step(adamw.learning_rate * learning_rate_factor(options.at("lr_scheduler").as_string(), step,
                                                              options.at("lr_warmup_steps").as_integer(),
                                                              options.at("steps").as_integer()));
    ema.update(parameters, step);
  }
  for (const auto& [name, parameter] : parameters) out[name] = parameter;
  for (const auto& [name, averaged] : ema.averaged()) out["ema." + name] = averaged;
  write(arguments[2], format_safetensors(out));
}

// The processor's seconds of the fastest call (other programs hardly count) among as many as `seconds` hold.
double fastest(const std::function<void()>& call, double seconds) {
  double total = 0.0;
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {  // warm-up, of what takes long once
    const auto begin = std::clock();
    call();
    if (std::clock() - begin > CLOCKS_PER_SEC) break;
  }
  while (total < seconds) {
    const auto begin = std::clock();
    call();
    const auto taken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    total += taken;
    best = std::min(best, taken);
  }
  return best;
}

// bench CONFIG BATCH LENGTH SECONDS: evaluations (of one sample) a second in the fastest run, one thread
void bench(const Arguments& arguments) {
  at::set_num_threads(1);
  const UNet network(read_json(arguments[0]), arguments[0]);
  const auto weights = network.initialize("", 1);
  const auto batch = std::stoll(arguments[1]);
  const auto size = network.config().at("sample_size").as_integer();
  const TensorMap inputs{
      {"sample", at::ones({batch, network.config().at("in_channels").as_integer(), size, size})},
      {"timestep", at::ones({batch})},
      {"encoder_hidden_states", at::ones({batch, std::stoll(arguments[2]), network.config().at("cross_attention_dim").as_integer()})}};
  const c10::InferenceMode inference;
  std::printf("%.1f\n", static_cast<double>(batch) / fastest([&] { run_unet(network, weights, inputs); }, std::stod(arguments[3])));
}

// bench_network unet|vae CONFIG DTYPE SIDE BATCH TOKENS SECONDS: the processor's seconds of the fastest pass of the U-Net, or of decoding,
// over latents of SIDE x SIDE, one thread, fresh weights
void bench_network(const Arguments& arguments) {
  at::set_num_threads(1);
  const auto config = read_json(arguments[1]);
  const auto dtype = tensor::compute_dtype(arguments[2]).value();
  const auto side = std::stoll(arguments[3]), batch = std::stoll(arguments[4]);
  const auto as_computed = [dtype](TensorMap weights) {
    for (auto& [name, tensor] : weights) tensor = tensor.to(dtype);
    return weights;
  };
  const c10::InferenceMode inference;
  std::function<void()> call;
  if (arguments[0] == "vae") {
    auto network = std::make_shared<AutoencoderKL>(config, arguments[1]);
    call = [network, weights = as_computed(network->initialize("", 1)), z = at::ones({batch, network->latent_channels(), side, side})] {
      network->decode(weights, "", z);
    };
  } else {
    auto network = std::make_shared<UNet>(config, arguments[1]);
    const auto width = network->config().at("cross_attention_dim").as_integer();
    const TensorMap inputs{{"sample", at::ones({batch, network->config().at("in_channels").as_integer(), side, side})},
                           {"timestep", at::ones({batch})},
                           {"encoder_hidden_states", at::ones({batch, std::stoll(arguments[5]), width})}};
    call = [network, inputs, weights = as_computed(network->initialize("", 1))] { run_unet(*network, weights, inputs); };
  }
  std::printf("%.4f\n", fastest(call, std::stod(arguments[6])));
}

// bench_elements CONFIG WEIGHTS INPUTS SECONDS: the processor's seconds of the fastest call and of the fastest with gradients, one thread
void bench_elements(const Arguments& arguments) {
  at::set_num_threads(1);
  const ElementTransformer network(read_json(arguments[0]), arguments[0]);
  auto weights = read_safetensors(arguments[1]);
  const auto input = element_input(read_safetensors(arguments[2]));
  const auto seconds = std::stod(arguments[3]) / 2;
  {
    const at::NoGradGuard no_grad;
    std::printf("%.6f ", fastest([&] { network.forward(weights, "", input); }, seconds));
  }
  for (auto& [name, weight] : weights) weight.requires_grad_(true);
  const auto train = [&] {
    for (auto& [name, weight] : weights) weight.mutable_grad().reset();
    const auto output = network.forward(weights, "", input);
    (output.logits.square().mean() + output.vector.square().mean()).backward();
  };
  std::printf("%.6f\n", fastest(train, seconds));
}

struct Command {
  std::size_t arguments;  // at least
  std::function<void(const Arguments&)> run;
};

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, Command> commands{{"unet", {4, unet}},
                                                {"unet_gradients", {4, unet_gradients}},
                                                {"unet_lora", {6, unet_lora}},
                                                {"unet_lora_gradients", {6, unet_lora_gradients}},
                                                {"unet_flops", {3, unet_flops}},
                                                {"clip", {4, clip}},
                                                {"vae", {4, vae}},
                                                {"vae_tiled", {4, vae_tiled}},
                                                {"embed", {3, embed}},
                                                {"predict", {3, predict}},
                                                {"attention", {3, attend}},
                                                {"elements", {4, elements}},
                                                {"elements_gradients", {4, elements_gradients}},
                                                {"elements_flops", {3, elements_flops}},
                                                {"bench_elements", {4, bench_elements}},
                                                {"fresh", {4, fresh}},
                                                {"copy", {2, copy}},
                                                {"tokenize", {3, tokenize}},
                                                {"words", {3, words}},
                                                {"train", {3, train}},
                                                {"bench_network", {7, bench_network}},
                                                {"bench", {4, bench}}};
  const Arguments arguments(argv + std::min(argc, 2), argv + argc);
  const auto command = argc < 2 ? commands.end() : commands.find(argv[1]);
  if (command == commands.end() || arguments.size() < command->second.arguments) {
    std::fprintf(stderr, "usage: see the comment above each function of model_tool.cpp\n");
    return 2;
  }
  try {
    command->second.run(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
