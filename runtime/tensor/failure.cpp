#include "runtime/tensor/failure.h"

#include <c10/util/Exception.h>
#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

namespace espalier {
namespace {

// Not of an object: the handlers that call now() are the process's.
struct Activities {
  std::mutex mutex;
  std::vector<std::pair<std::thread::id, const std::string*>> list;
};
Activities& activities() {
  static auto* const all = new Activities;  // never destroyed: now() may be called during exit()
  return *all;
}

std::string type_name(const std::type_info& type) {
  int status = 0;
  char* const text = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? text : type.name();
  std::free(text);
  return name;
}

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

std::string failure_text(const std::exception_ptr& failure) try { std::rethrow_exception(failure); } catch (const Error& error) {
  return error.what();
} catch (const c10::Error& error) {
  const auto text = one_line(error.what_without_backtrace());
  const auto allocator = text.find("DefaultCPUAllocator");  // behind the place in LibTorch's code
  return "LibTorch: " + (allocator == std::string::npos ? text : text.substr(allocator));
} catch (const std::bad_alloc& error) {
  return fmt::format("there is not enough memory ({})", error.what());
} catch (const std::exception& error) {
  return fmt::format("{}: {}", type_name(typeid(error)), one_line(error.what()));
} catch (int number) {
  return fmt::format("threw the int {}, not a std::exception", number);
} catch (const char* text) {
  return fmt::format("threw the text '{}', not a std::exception", one_line(text));
} catch (const std::string& text) {
  return fmt::format("threw the text '{}', not a std::exception", one_line(text));
} catch (...) {
  const auto* const type = abi::__cxa_current_exception_type();
  return fmt::format("threw {}, not a std::exception", type == nullptr ? "something" : "a value of type " + type_name(*type));
}

bool is_out_of_memory(const std::exception_ptr& failure) try { std::rethrow_exception(failure); } catch (const std::bad_alloc&) {
  return true;
} catch (const std::length_error&) {
  return true;
} catch (const c10::OutOfMemoryError&) {
  return true;
} catch (const c10::Error& error) {
  return std::string(error.what_without_backtrace()).find("allocate memory") != std::string::npos;
} catch (...) {
  return false;
}

std::string largest_of(const Value& options) {
  std::vector<std::pair<std::int64_t, std::string>> sizes;
  for (const auto& [name, value] : options.as_map()) {
    if (value.is_integer() && value.as_integer() > 1) sizes.emplace_back(value.as_integer(), name);
  }
  std::sort(sizes.rbegin(), sizes.rend());
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(sizes.size(), 3); ++i) {
    text += fmt::format("{}{} = {}", i == 0 ? "; its largest options are " : ", ", sizes[i].second, sizes[i].first);
  }
  return text;
}

Doing::Doing(std::string what) : what_(std::move(what)) {
  const std::lock_guard lock(activities().mutex);
  activities().list.emplace_back(std::this_thread::get_id(), &what_);
}

Doing::~Doing() {
  const std::lock_guard lock(activities().mutex);
  std::erase_if(activities().list, [this](const auto& activity) { return activity.second == &what_; });
}

std::string Doing::now() {
  const std::unique_lock lock(activities().mutex, std::try_to_lock);
  if (!lock.owns_lock() || activities().list.empty()) return "";
  const auto& list = activities().list;
  const auto here =
      std::find_if(list.rbegin(), list.rend(), [](const auto& activity) { return activity.first == std::this_thread::get_id(); });
  return *(here != list.rend() ? here->second : list.back().second);
}

}  // namespace espalier
