#include "runtime/exec/journal.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/cache/sealed.h"
#include "runtime/exec/context.h"
#include "runtime/modelfile/safetensors.h"

namespace espalier::exec {
namespace {

constexpr std::size_t kKept = 2;
constexpr const char* kPrefix = "checkpoint-";
constexpr const char* kFormat = "espalier-checkpoint 1";
constexpr const char* kState = "state.json";
constexpr const char* kJournal = "journal";  // in state.json: the engine's entries beside the trainer's
constexpr std::uint64_t kMostManifestBytes = 1 << 20;

// Returns the steps of the checkpoints that have a manifest, newest first.
std::vector<std::int64_t> complete_steps(const std::filesystem::path& folder) {
  std::vector<std::int64_t> steps;
  if (!std::filesystem::exists(folder)) return steps;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0 || !std::filesystem::exists(entry.path() / "manifest.json")) continue;
    const auto digits = name.substr(std::string(kPrefix).size());
    std::int64_t step = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), step);
    if (error == std::errc() && end == digits.data() + digits.size()) steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) { throw DataError(path.string() + ": " + what); }

// Returns the files that the manifest names. Throws DataError unless it is of this training's checkpoint of this step.
Value::Map named_files(const std::filesystem::path& folder, std::int64_t step, const Training& training) {
  const auto path = folder / "manifest.json";
  const auto manifest = cache::unseal(read_file(path, kMostManifestBytes), path.string());
  if (manifest.at("format").as_string() != kFormat) refuse(path, std::string("its format is not '") + kFormat + "'");
  const auto model = manifest.at("model").as_string();
  if (model != training.model) refuse(path, "is of the model " + model + ", not " + training.model);
  const auto last_step = manifest.at("last_step").as_integer();
  if (last_step != training.last_step) {
    refuse(path, "is of a training of " + std::to_string(last_step) + " steps, not " + std::to_string(training.last_step));
  }
  const auto named = manifest.at("step").as_integer();
  if (named != step) refuse(path, "is of step " + std::to_string(named));
  if (step < 1 || step > last_step) refuse(path, "its step is not one of the " + std::to_string(last_step) + " of the training");
  const auto& files = manifest.at("files").as_map();
  if (!files.contains(kState)) refuse(path, std::string("names no ") + kState);
  return files;
}

// Throws DataError if the checkpoint is another training's, if any byte differs from the manifest, or if a file is missing.
Checkpoint read_checkpoint(const std::filesystem::path& folder, std::int64_t step, const Training& training) {
  Checkpoint checkpoint;
  for (const auto& [name, file] : named_files(folder, step, training)) {
    const std::filesystem::path inner(name);
    if (inner.filename() != inner) refuse(folder / "manifest.json", "names a file outside its folder");
    const auto bytes = read_file(folder / inner, static_cast<std::uint64_t>(file.at("bytes").as_integer()));
    if (sha256(bytes) != file.at("sha256").as_string()) refuse(folder / inner, "its SHA-256 is not the manifest's");
    if (inner.extension() == ".safetensors") {
      checkpoint.tensors[inner.stem().string()] = modelfile::parse_safetensors(bytes, (folder / inner).string());
    } else {
      checkpoint.state = parse_json(bytes, (folder / inner).string());
    }
  }
  Value::List parts;
  for (const auto& [name, tensors] : checkpoint.tensors) parts.emplace_back(name);
  const auto& saved = checkpoint.state.at(kJournal).at("parts");
  if (saved != Value(parts))
    refuse(folder / "manifest.json", "names the files " + to_json(Value(parts)) + ", but " + to_json(saved) + " were saved");
  checkpoint.step = checkpoint.state.at("step").as_integer();
  if (checkpoint.step != step) refuse(folder / kState, "is of step " + std::to_string(checkpoint.step));
  return checkpoint;
}

}  // namespace

double seconds_since_1970() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

Value curves_value(const std::vector<CurveRecord>& curves) {
  Value::List list;
  for (const auto& curve : curves) {
    list.push_back(Value::Map{{"name", curve.name},
                              {"step", Value::List(curve.step.begin(), curve.step.end())},
                              {"value", Value::List(curve.value.begin(), curve.value.end())},
                              {"time", Value::List(curve.time.begin(), curve.time.end())}});
  }
  return list;
}

std::vector<CurveRecord> curves_from(const Value& value, const std::string& stage) {
  std::vector<CurveRecord> curves;
  for (const auto& entry : value.as_list()) {
    auto& curve = curves.emplace_back();
    curve.stage = stage;
    curve.name = entry.at("name").as_string();
    for (const auto& step : entry.at("step").as_list()) curve.step.push_back(step.as_integer());
    for (const auto& point : entry.at("value").as_list()) curve.value.push_back(point.as_number());
    if (const auto* times = entry.find("time")) {
      for (const auto& time : times->as_list()) curve.time.push_back(time.as_number());
    } else {  // written by an earlier version
      curve.time.assign(curve.step.size(), std::numeric_limits<double>::quiet_NaN());
    }
  }
  return curves;
}

std::optional<Checkpoint> TrainingJournal::newest() {
  for (const auto step : complete_steps(folder_)) {
    const auto folder = folder_ / (kPrefix + std::to_string(step));
    try {
      auto checkpoint = read_checkpoint(folder, step, training_);
      auto curves = curves_from(checkpoint.state.at("curves"), "");
      earlier_seconds_ = checkpoint.state.at(kJournal).at("seconds").as_number();
      curves_ = std::move(curves);
      return checkpoint;
    } catch (const Error& error) {
      progress_.say(std::string("a checkpoint is damaged or another training's, going back to the one before: ") + error.what());
    }
  }
  return std::nullopt;
}

void TrainingJournal::save(const Checkpoint& checkpoint) {
  if (checkpoint.step < 1 || checkpoint.step > training_.last_step) {
    throw PluginError("a trainer of " + std::to_string(training_.last_step) + " steps saved a checkpoint of step " +
                      std::to_string(checkpoint.step));
  }
  check_();
  const auto folder = folder_ / (kPrefix + std::to_string(checkpoint.step));
  std::filesystem::remove_all(folder);  // left by a killed or damaged attempt at this step
  make_folders(folder);
  auto state = checkpoint.state;
  state["step"] = checkpoint.step;
  state["curves"] = curves_value(curves_);
  Value::List parts;
  Value files;
  const auto write = [&](const std::string& name, const std::string& bytes) {
    write_durable(folder / name, bytes);
    files[name] = Value::Map{{"bytes", static_cast<std::int64_t>(bytes.size())}, {"sha256", sha256(bytes)}};
  };
  for (const auto& [name, tensors] : checkpoint.tensors) {
    write(name + ".safetensors", modelfile::format_safetensors(tensors));
    parts.emplace_back(name);
  }
  state[kJournal] = Value::Map{{"parts", parts}, {"seconds", earlier_seconds_ + seconds_since(begun_)}};
  write(kState, to_json(state));
  const auto aside = folder / ("manifest-" + unique_name());
  write_durable(aside, cache::seal(Value::Map{{"format", kFormat},
                                              {"model", training_.model},
                                              {"last_step", training_.last_step},
                                              {"step", checkpoint.step},
                                              {"files", files}}));
  publish_file(aside, folder / "manifest.json");
  // Checkpoints of later steps are damaged ones that newest() skipped; they must not displace sound ones.
  std::size_t sound = 0;
  for (const auto step : complete_steps(folder_)) {
    if (step > checkpoint.step || ++sound > kKept) std::filesystem::remove_all(folder_ / (kPrefix + std::to_string(step)));
  }
}

void TrainingJournal::scalar(const std::string& name, std::int64_t step, double value) {
  auto found = std::find_if(curves_.begin(), curves_.end(), [&](const CurveRecord& curve) { return curve.name == name; });
  if (found == curves_.end()) found = curves_.insert(curves_.end(), CurveRecord{"", name, {}, {}, {}});
  found->step.push_back(step);
  found->value.push_back(value);
  found->time.push_back(seconds_since_1970());
}

}  // namespace espalier::exec
