#include "plugins/shared/program/descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "runtime/base/errors.h"

namespace espalier::program {
namespace {

// Where this process has closed its own standard descriptors, pipes would take their numbers, and the program's would collide with them.
Descriptor above_standard(Descriptor descriptor) {
  if (descriptor.number() > STDERR_FILENO) return descriptor;
  return Descriptor(::fcntl(descriptor.number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

}  // namespace

void Descriptor::close() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

Pipe make_pipe(int bytes) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw StageError(std::string("no pipe to a program can be made: ") + std::strerror(errno));
  Pipe pipe{above_standard(Descriptor(ends[0])), above_standard(Descriptor(ends[1]))};
  if (bytes > 0) ::fcntl(pipe.writes.number(), F_SETPIPE_SZ, bytes);  // refused above a limit of the system; then it is slower
  return pipe;
}

void make_nonblocking(const Descriptor& descriptor) {
  ::fcntl(descriptor.number(), F_SETFL, ::fcntl(descriptor.number(), F_GETFL) | O_NONBLOCK);
}

}  // namespace espalier::program
