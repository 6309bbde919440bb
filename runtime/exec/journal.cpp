#include "runtime/exec/journal.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/model/safetensors.h"

namespace espalier::exec {
namespace {

constexpr std::size_t kKept = 2;
constexpr const char* kPrefix = "checkpoint-";

// Steps of the checkpoints whose manifest is there, newest first.
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

// Throws DataError when any byte differs from the manifest.
Checkpoint read_checkpoint(const std::filesystem::path& folder) {
  const auto manifest = parse_json(read_file(folder / "manifest.json"), (folder / "manifest.json").string());
  Checkpoint checkpoint;
  for (const auto& [name, sha] : manifest.at("files").as_map()) {
    const auto bytes = read_file(folder / name);
    if (sha256(bytes) != sha.as_string()) throw DataError((folder / name).string() + ": its SHA-256 is not the manifest's");
    const std::filesystem::path file(name);
    if (file.extension() == ".safetensors") {
      checkpoint.tensors[file.stem().string()] = model::parse_safetensors(bytes, (folder / name).string());
    } else {
      checkpoint.state = parse_json(bytes, (folder / name).string());
    }
  }
  checkpoint.step = checkpoint.state.at("step").as_integer();
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
    } else {  // an older result
      curve.time.assign(curve.step.size(), std::numeric_limits<double>::quiet_NaN());
    }
  }
  return curves;
}

std::optional<Checkpoint> TrainingJournal::newest() {
  for (const auto step : complete_steps(folder_)) {
    const auto folder = folder_ / (kPrefix + std::to_string(step));
    try {
      auto checkpoint = read_checkpoint(folder);
      curves_ = curves_from(checkpoint.state.at("curves"), "");
      return checkpoint;
    } catch (const Error& error) {
      progress_.say(std::string("a checkpoint is damaged, going back to the one before: ") + error.what());
    }
  }
  return std::nullopt;
}

void TrainingJournal::save(const Checkpoint& checkpoint) {
  const auto folder = folder_ / (kPrefix + std::to_string(checkpoint.step));
  std::filesystem::remove_all(folder);  // a killed or damaged attempt at this very step
  make_folders(folder);
  auto state = checkpoint.state;
  state["step"] = checkpoint.step;
  state["curves"] = curves_value(curves_);
  Value files;
  const auto write = [&](const std::string& name, const std::string& bytes) {
    write_durable(folder / name, bytes);
    files[name] = sha256(bytes);
  };
  for (const auto& [name, tensors] : checkpoint.tensors) write(name + ".safetensors", model::format_safetensors(tensors));
  write("state.json", to_json(state));
  const auto aside = folder / ("manifest-" + unique_name());
  write_durable(aside, to_json(Value(Value::Map{{"files", files}})));
  publish_file(aside, folder / "manifest.json");
  // Later steps are damaged ones that newest() went back past: they must not crowd out what is sound.
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
