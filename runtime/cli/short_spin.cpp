// Runs before the constructor of any library: libgomp reads GOMP_SPINCOUNT when it is loaded. By its default an idle thread spins for
// milliseconds, so that two trainings on the same cores take ten times as long as one after the other (docs/results.md). So the program
// starts itself again, once, with a short spin, unless the environment states how threads wait. libc's environment is not set up yet, hence
// system calls alone; where they fail, results are the same, but a run beside another is slow.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

namespace {

constexpr char kShortSpin[] = "GOMP_SPINCOUNT=1000";
constexpr const char* kSaysHowThreadsWait[] = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"};

// Nothing here is checked by a sanitizer, whose own set-up comes later.
__attribute__((no_sanitize("address", "undefined"))) bool names(const char* entry, const char* name) {
  for (; *name != '\0'; ++name, ++entry) {
    if (*entry != *name) return false;
  }
  return *entry == '=';
}

__attribute__((no_sanitize("address", "undefined"))) void start_again_with_a_short_spin(int, char** arguments, char** environment) {
  std::size_t count = 0;
  for (; environment[count] != nullptr; ++count) {
    for (const char* name : kSaysHowThreadsWait) {
      if (names(environment[count], name)) return;
    }
  }
  auto** const longer = static_cast<const char**>(__builtin_alloca((count + 2) * sizeof(char*)));
  for (std::size_t i = 0; i < count; ++i) longer[i] = environment[i];
  longer[count] = kShortSpin;
  longer[count + 1] = nullptr;
  char program[4096] = {};  // by its own path, so that the process keeps its name
  if (::syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", program, sizeof program - 1) > 0) {
    ::syscall(SYS_execve, program, arguments, longer);
  }
  ::syscall(SYS_execve, "/proc/self/exe", arguments, longer);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)(int, char**, char**) = start_again_with_a_short_spin;

}  // namespace
