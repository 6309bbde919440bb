// Preloaded, makes calls fail as on file systems without them. Each variable holds the errno to fail with:
//   SHIM_FLOCK, SHIM_LINK, SHIM_RENAME_NO_REPLACE, SHIM_FOLDER_FSYNC
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int fails(const char* name) {
  const char* value = getenv(name);
  if (value == NULL) return 0;
  errno = atoi(value);
  return 1;
}

int flock(int descriptor, int operation) {
  if (fails("SHIM_FLOCK")) return -1;
  int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
  return real(descriptor, operation);
}

int link(const char* from, const char* to) {
  if (fails("SHIM_LINK")) return -1;
  int (*real)(const char*, const char*) = dlsym(RTLD_NEXT, "link");
  return real(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  if ((flags & RENAME_NOREPLACE) && fails("SHIM_RENAME_NO_REPLACE")) return -1;
  int (*real)(int, const char*, int, const char*, unsigned) = dlsym(RTLD_NEXT, "renameat2");
  return real(from_folder, from, to_folder, to, flags);
}

int fsync(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode) && fails("SHIM_FOLDER_FSYNC")) return -1;
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
  return real(descriptor);
}
