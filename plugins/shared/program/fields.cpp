#include "plugins/shared/program/fields.h"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/sdk/check.h"
#include "runtime/sdk/encoding.h"
#include "runtime/sdk/view.h"

namespace espalier::program {
namespace {

constexpr const char* kDrawn = "png";

const std::map<at::ScalarType, std::string>& sent_types() {
  static const std::map<at::ScalarType, std::string> kTypes = {
      {at::kFloat, "float32"}, {at::kDouble, "float64"}, {at::kByte, "uint8"}, {at::kLong, "int64"}, {at::kBool, "bool"}};
  return kTypes;
}

void add_files(Packed& packed, const std::string& name, std::vector<std::string> files) {
  Value::List sizes;
  std::int64_t bytes = 0;
  const auto& kept = packed.files.emplace_back(std::move(files));
  for (const auto& file : kept) {
    sizes.emplace_back(static_cast<std::int64_t>(file.size()));
    bytes += static_cast<std::int64_t>(file.size());
    packed.payload.emplace_back(file);
  }
  packed.fields.emplace_back(Value::Map{{"name", name}, {"format", "files"}, {"sizes", Value(std::move(sizes))}, {"bytes", bytes}});
}

// One sample, of which only the names of its fields count.
Sample sample_of_zeros(const Codec& codec) {
  State state;
  for (const auto& [name, field] : codec.spec()) {
    auto shape = field.shape;
    shape.insert(shape.begin(), 1);
    state.emplace(name, at::zeros(shape, field.dtype));
  }
  return codec.decode(state, {});
}

}  // namespace

Value samples_header(const std::string& type, const Rows& rows, const Packed& packed) {
  const auto count = rows.index.size();
  if (rows.text.size() != count || rows.metadata.size() != count) {
    throw InternalError(
        fmt::format("{} numbers, {} prompts and {} metadata values of the same samples", count, rows.text.size(), rows.metadata.size()));
  }
  return Value::Map{{"type", type},
                    {"count", static_cast<std::int64_t>(count)},
                    {"index", Value::List(rows.index.begin(), rows.index.end())},
                    {"prompts", Value::List(rows.text.begin(), rows.text.end())},
                    {"metadata", Value(rows.metadata)},
                    {"fields", Value(packed.fields)}};
}

std::vector<OptionProblem> Fields::problems() const {
  std::vector<OptionProblem> problems;
  if (send_.empty()) return problems;
  const auto sample = sample_of_zeros(*codec_);
  for (const auto& name : send_) {
    if (sample.tensors.contains(name) || sample.strings.contains(name) || name == kDrawn || may_be_file(name, sample)) continue;
    problems.push_back({"send", unknown(name, sample)});
  }
  return problems;
}

bool Fields::may_be_file(const std::string& name, const Sample& sample) const {
  if (codec_->records(sample).contains(name) || files_of_examples().contains(name)) return true;
  return domain_ != nullptr && !domain_->data().has_examples() && name.find('.') != std::string::npos;
}

Packed Fields::pack(const Sample& sample, std::int64_t count) const {
  Packed packed;
  for (const auto& name : send_) add(packed, name, sample, count);
  if (!send_.empty()) return packed;
  for (const auto& [name, tensor] : sample.tensors) add_tensor(packed, name, tensor, count);
  for (const auto& [name, values] : sample.strings) add_strings(packed, name, values, count);
  return packed;
}

void Fields::add(Packed& packed, const std::string& name, const Sample& sample, std::int64_t count) const {
  if (const auto tensor = sample.tensors.find(name); tensor != sample.tensors.end()) {
    add_tensor(packed, name, tensor->second, count);
  } else if (const auto strings = sample.strings.find(name); strings != sample.strings.end()) {
    add_strings(packed, name, strings->second, count);
  } else if (name == kDrawn) {
    add_images(packed, sample, count);
  } else {
    add_records(packed, name, sample, count);
  }
}

void Fields::add_tensor(Packed& packed, const std::string& name, const at::Tensor& tensor, std::int64_t count) const {
  const auto type = sent_types().find(tensor.scalar_type());
  if (type == sent_types().end() || tensor.dim() == 0 || tensor.size(0) != count) {
    throw StageError(
        fmt::format("{}: the tensor '{}' of {} samples is {} [{}], which the protocol cannot carry: it has float32, float64, "
                    "uint8, int64 and bool, a row for each sample; name the fields to send by the option send",
                    who_, name, count, c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), ", ")));
  }
  const auto& sent = packed.tensors.emplace_back(tensor.to(at::kCPU).contiguous());
  const auto bytes = static_cast<std::int64_t>(sent.nbytes());
  packed.payload.emplace_back(static_cast<const char*>(sent.const_data_ptr()), sent.nbytes());
  packed.fields.emplace_back(Value::Map{{"name", name},
                                        {"format", "tensor"},
                                        {"dtype", type->second},
                                        {"shape", Value::List(sent.sizes().begin(), sent.sizes().end())},
                                        {"bytes", bytes}});
}

void Fields::add_strings(Packed& packed, const std::string& name, const std::vector<std::string>& values, std::int64_t count) const {
  if (std::ssize(values) != count) {
    throw StageError(fmt::format("{}: '{}' has {} texts for {} samples; one for each is right", who_, name, values.size(), count));
  }
  packed.fields.emplace_back(Value::Map{{"name", name}, {"format", "strings"}, {"values", Value::List(values.begin(), values.end())}});
}

void Fields::add_images(Packed& packed, const Sample& sample, std::int64_t count) const {
  const auto images = codec_->draw(sample);
  check_images(who_ + " sends png, but the domain's codec", images, count);
  std::vector<std::string> files;
  for (const auto& image : images) files.push_back(encode_png(image));
  add_files(packed, kDrawn, std::move(files));
}

// A sample that the domain writes to no such file (an invalid molecule) is an empty one; a name that is wrong is not to look like that.
void Fields::add_records(Packed& packed, const std::string& name, const Sample& sample, std::int64_t count) const {
  std::vector<std::string> files;
  bool any = false;
  for (std::int64_t row = 0; row < count; ++row) {
    const auto records = codec_->records(rows_of(sample, {row}));
    const auto found = records.find(name);
    any = any || found != records.end();
    files.push_back(found == records.end() ? "" : found->second);
  }
  if (!any && !files_of_examples().contains(name)) throw StageError(who_ + " " + unknown(name, sample));
  add_files(packed, name, std::move(files));
}

// Which files there are, as far as some of the data's own examples show it.
const std::set<std::string>& Fields::files_of_examples() const {
  constexpr std::int64_t kLookedAt = 8;
  const std::lock_guard lock(mutex_);
  if (files_of_examples_) return *files_of_examples_;
  files_of_examples_.emplace();
  if (domain_ == nullptr || !domain_->data().has_examples()) return *files_of_examples_;
  const auto examples = domain_->data().examples(domain_->data().splits().front());
  std::vector<std::uint64_t> positions;
  const auto size = examples->size() == 0 ? kLookedAt : std::min(kLookedAt, examples->size());
  for (std::int64_t i = 0; i < size; ++i) positions.push_back(static_cast<std::uint64_t>(i));
  for (const auto& [name, text] : codec_->records(samples_of(*domain_, examples->at(positions)))) files_of_examples_->insert(name);
  return *files_of_examples_;
}

std::string Fields::unknown(const std::string& name, const Sample& sample) const {
  std::set<std::string> known = files_of_examples();
  known.insert(kDrawn);
  for (const auto& [tensor, value] : sample.tensors) known.insert(tensor);
  for (const auto& [text, value] : sample.strings) known.insert(text);
  return fmt::format("names '{}' in the option send, which samples of kind '{}' do not have{}", name, sample.kind,
                     did_you_mean(name, {known.begin(), known.end()}));
}

}  // namespace espalier::program
