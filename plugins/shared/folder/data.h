#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

// Where a domain's data is, and what of it is kept out of training.
namespace espalier::folder {

enum class DataKind { folder, file, either };

// A path as it is written, or one inside a folder of data sets: ESPALIER_DATA or datasets. Throws DataError, naming `plugin` and the paths
// tried, where there is no such folder, file, or either. `subject`: what the message says is none; "": data = "<data>".
std::filesystem::path find_data(const std::string& data, const std::string& plugin, DataKind kind = DataKind::folder,
                                const std::string& subject = "");

// Prints what a domain has passed over or lost on stderr: "<plugin>: <note>".
void print_note(const std::string& plugin, const std::string& note);

// Which examples of one set are held out: the ceil(fraction x count) whose SHA-256 of "<seed>/<name>" is largest. A name is a file's path
// in its folder, or a row's number: neither an example's content nor the run's seed decides.
struct HeldOut {
  double fraction = 0.0;  // 0: none, and no split of that name
  std::int64_t seed = 0;
};

// The places of the names that `split` ("train" or "held_out") has, in order. Throws, naming `plugin`, DataError when there
// are no names, ConfigError when none is left to train on.
std::vector<std::int64_t> places_of(const std::string& split, const std::vector<std::string>& names, const HeldOut& held_out,
                                    const std::string& plugin);

// The same of each split that there is: "train", and "held_out" with a fraction.
std::map<std::string, std::vector<std::int64_t>> split_places(const std::vector<std::string>& names, const HeldOut& held_out,
                                                              const std::string& plugin);

}  // namespace espalier::folder
