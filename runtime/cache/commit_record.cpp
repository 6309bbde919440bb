#include "runtime/cache/commit_record.h"

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "runtime/base/errors.h"
#include "runtime/cache/sealed.h"

namespace espalier::cache {
namespace {

constexpr const char* kFormat = "espalier-commit 1";

void expect(bool holds, const std::string& origin, const std::string& what) {
  if (!holds) throw DataError(origin + ": " + what);
}

void check_identity(const Value& value, const BlockFolder& folder, const CommitName& name, const std::string& origin) {
  expect(value.at("format").as_string() == kFormat, origin, "its format is not '" + std::string(kFormat) + "'");
  expect(value.at("set").as_string() == folder.set_id, origin, "is of the set " + value.at("set").as_string());
  expect(value.at("scores").as_string() == folder.score_id, origin, "is of the scores '" + value.at("scores").as_string() + "'");
  expect(value.at("block").as_integer() == static_cast<std::int64_t>(name.number), origin,
         "is of block " + std::to_string(value.at("block").as_integer()));
  expect(value.at("layer").as_string() == name.layer, origin, "is of the layer " + value.at("layer").as_string());
}

void check_content(const CommitRecord& record, const std::string& origin) {
  expect(is_data_name(record.data_name, record.name.number, record.data_sha256), origin,
         "names the data file '" + record.data_name + "', which cannot be its own");
  expect(record.count > 0 && record.data_bytes > 0, origin, "holds no samples");
  if (!record.score_id.empty()) return;
  expect(std::is_sorted(record.steps.begin(), record.steps.end(), std::greater<>()), origin, "its steps do not descend");
  expect(!record.steps.empty() && record.steps.back() == 0, origin, "does not hold x_0");
  expect(layer_name(record.steps) == record.name.layer, origin, "its layer is not the one of its steps");
}

}  // namespace

std::string write_commit(const CommitRecord& record) {
  Value value = Value::Map{
      {"format", kFormat},
      {"set", record.set_id},
      {"scores", record.score_id},
      {"block", record.name.number},
      {"layer", record.name.layer},
      {"steps", Value::List(record.steps.begin(), record.steps.end())},
      {"count", record.count},
      {"data", Value::Map{{"name", record.data_name}, {"bytes", record.data_bytes}, {"sha256", record.data_sha256}}},
      {"sample_sha256", record.sample_sha256},
      {"committed_ns", record.committed_ns},
      {"libraries", record.provenance.maker.libraries},
      {"numerics_class", record.provenance.maker.numerics_class},
      {"seconds", record.provenance.seconds},
      {"network_evaluations", record.provenance.network_evaluations},
  };
  if (record.nonfinite) value["nonfinite"] = *record.nonfinite;
  return seal(std::move(value));
}

CommitRecord read_commit(std::string_view text, const BlockFolder& folder, const CommitName& name, const std::string& origin) {
  const auto value = unseal(text, origin);
  try {
    check_identity(value, folder, name, origin);
    CommitRecord record;
    record.set_id = folder.set_id;
    record.score_id = folder.score_id;
    record.name = name;
    for (const auto& step : value.at("steps").as_list()) record.steps.push_back(step.as_integer());
    record.count = value.at("count").as_integer();
    record.data_name = value.at("data").at("name").as_string();
    record.data_bytes = value.at("data").at("bytes").as_integer();
    record.data_sha256 = value.at("data").at("sha256").as_string();
    record.sample_sha256 = value.at("sample_sha256").as_string();
    if (const auto* nonfinite = value.find("nonfinite")) record.nonfinite = nonfinite->as_integer();
    record.committed_ns = value.at("committed_ns").as_integer();
    const auto* libraries = value.find("libraries");  // absent in records of older versions
    record.provenance = {{libraries ? *libraries : Value(), value.at("numerics_class")},
                         value.at("seconds").as_number(),
                         value.at("network_evaluations").as_integer()};
    check_content(record, origin);
    return record;
  } catch (const DataError& error) {
    const std::string what = error.what();
    throw DataError(what.starts_with(origin) ? what : origin + ": " + what);
  }
}

std::uint64_t first_number(const BlockFolder& folder, const std::string& name) {
  const auto path = folder.folder / "first" / name;
  const auto number = std::strtoull(name.c_str() + 1, nullptr, 10);
  if (path != folder.first(number)) throw DataError(path.string() + ": is not the name of a block's first record");
  return number;
}

CommitRecord read_first(std::string_view text, const BlockFolder& folder, std::uint64_t number, const std::string& origin) {
  return read_commit(text, folder, {number, unseal(text, origin).at("layer").as_string()}, origin);
}

}  // namespace espalier::cache
