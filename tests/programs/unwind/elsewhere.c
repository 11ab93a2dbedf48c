// SPDX-License-Identifier: Apache-2.0
// A program whose file is not where it was, or where others see it. It copies itself to the place, runs itself from
// there, and burns: burn ← calls_burn ← in_PLACE ← main.
//   memfd      anonymous memory file
//   deleted    a file in /tmp, deleted once the program runs
//   namespace  a tmpfs in a mount namespace of its own (needs root)
//   overlay    a file in an overlay file system, in a mount namespace of its own (needs root); exits with 77 if the
//   kernel
//              has none
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "tests/programs/unwind/chain.h"

enum { kSkip = 77 };

FRAME void burn(void) { BURN(); }

FRAME void calls_burn(void) {
  burn();
  STAY_IN_FRAME();
}

#define PLACE(name)                                   \
  FRAME void in_##name(const struct Budget* budget) { \
    while (HasBudget(budget)) calls_burn();           \
    STAY_IN_FRAME();                                  \
  }
PLACE(memfd)
PLACE(deleted)
PLACE(namespace)
PLACE(overlay)

static void CopySelf(int to) {
  const int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (from < 0 || fstat(from, &status) != 0) Die("/proc/self/exe");
  for (off_t left = status.st_size; left > 0;) {
    const ssize_t size = sendfile(to, from, NULL, (size_t)left);
    if (size <= 0) Die("copying the program");
    left -= size;
  }
  close(from);
}

static void CopySelfTo(const char* path) {
  const int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (file < 0) Die(path);
  CopySelf(file);
  close(file);
}

static void EnterNamespace(void) {
  if (unshare(CLONE_NEWNS) != 0) Die("unshare");
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) Die("making the mounts private");
  if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL) != 0) Die("mounting /mnt");
}

// The second run: argv[3] is the path to delete, or "-".
static void Burn(const char* place, const char* path, int milliseconds) {
  if (strcmp(path, "-") != 0 && unlink(path) != 0) Die(path);
  struct Budget budget = StartBudget(milliseconds);
  if (strcmp(place, "memfd") == 0) in_memfd(&budget);
  if (strcmp(place, "deleted") == 0) in_deleted(&budget);
  if (strcmp(place, "namespace") == 0) in_namespace(&budget);
  if (strcmp(place, "overlay") == 0) in_overlay(&budget);
  Report("elsewhere", SpentNs(&budget));
}

int main(int argc, char** argv) {
  const char* usage = "elsewhere CPU-MILLISECONDS memfd|deleted|namespace|overlay";
  const int milliseconds = NumberArgument(argc, argv, 1, usage);
  if (argc < 3) return 2;
  const char* place = argv[2];
  if (argc > 3) {
    Burn(place, argv[3], milliseconds);
    return EXIT_SUCCESS;
  }
  char* again[] = {argv[0], argv[1], argv[2], "-", NULL};
  if (strcmp(place, "memfd") == 0) {
    const int file = memfd_create("elsewhere", MFD_CLOEXEC);
    if (file < 0) Die("memfd_create");
    CopySelf(file);
    fexecve(file, again, environ);
  } else if (strcmp(place, "deleted") == 0) {
    char path[64];
    snprintf(path, sizeof(path), "/tmp/elsewhere-%d", (int)getpid());
    CopySelfTo(path);
    again[3] = path;
    execv(path, again);
  } else if (strcmp(place, "namespace") == 0) {
    EnterNamespace();
    CopySelfTo("/mnt/elsewhere");
    execv("/mnt/elsewhere", again);
  } else if (strcmp(place, "overlay") == 0) {
    EnterNamespace();
    static const char* const kFolders[] = {"/mnt/lower", "/mnt/upper", "/mnt/work", "/mnt/merged"};
    for (int i = 0; i < 4; ++i) {
      if (mkdir(kFolders[i], 0755) != 0) Die(kFolders[i]);
    }
    CopySelfTo("/mnt/lower/elsewhere");
    if (mount("overlay", "/mnt/merged", "overlay", 0, "lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work") !=
        0) {
      if (errno == ENODEV) return kSkip;
      Die("mounting an overlay");
    }
    execv("/mnt/merged/elsewhere", again);
  } else {
    fprintf(stderr, "usage: %s\n", usage);
    return 2;
  }
  Die(place);
}
